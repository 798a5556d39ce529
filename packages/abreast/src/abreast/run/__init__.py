"""Run the planned stages in parallel, each with a log of its own, and stop them.

runner.py    one run of `abreast repro` or `abreast rehearse`
schedule.py  decide when each task starts
server.py    the process that forks processes of stages, and stops their commands
stage.py     the process of a stage: lets DVC reproduce one stage after the other
script.py    run a Python script as a fork
live.py      show progress in a terminal or in the log of a CI job
history.py   store and show time and memory of each stage; `abreast log`
timeline.py  draw a run as SVG
run_lock.py  allow one run at a time; the paths of logs
"""
