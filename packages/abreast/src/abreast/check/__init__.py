"""Compare results with dvc.lock, and find damaged outputs.

freshness.py  tell which stages are stale; `abreast check`
changes.py    list what changed in one stage since dvc.lock was written
damage.py     find outputs that changed on disk without DVC noticing; `abreast repro --verify`
checksums.py  checksums as in dvc.lock
"""
