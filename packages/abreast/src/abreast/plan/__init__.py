"""Which stages are to run, in what order, and with what.

stages.py     ask DVC which stages there are, what each needs, and what is to run
resources.py  read what a stage asks of a machine, and what this machine has
durations.py  expect how long a stage takes
"""
