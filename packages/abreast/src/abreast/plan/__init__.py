"""Which stages run, in which order, and with which resources.

stages.py     ask DVC for the stages, their dependencies, and which of them run
resources.py  read `meta` of a stage, and count the cores, memory and GPUs of this machine
durations.py  read, store and estimate durations of stages
"""
