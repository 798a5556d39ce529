"""Run what is planned: stages side by side, a log each, stopped as a whole.

runs.py      one run of stages: `abreast repro`, `abreast rehearse`
schedule.py  when each task may start
server.py    the process that stages are forks of, and stops them
stage.py     what a process of one stage does
script.py    a Python script as a fork
live.py      what a terminal, or a log of CI, shows meanwhile
history.py   what each stage took; `abreast log`
timeline.py  the same as SVG
run_lock.py  one run at a time; the runner's own folder
"""
