"""Run the stages of any DVC project in parallel.

command.py  the command line: `abreast repro`, `rehearse`, `check`, `log`
errors.py   the exception for errors that the user can fix
plan/       which stages run, in which order, with which resources
run/        run the stages in parallel processes
check/      compare results with dvc.lock; find damaged outputs
cluster/    run stages on the workers of a Dask cluster
dvc_api/    everything that is taken from DVC
"""
