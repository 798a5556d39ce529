"""Whether results are what they are taken for.

freshness.py  is each stage as its lock says? `abreast check`
changes.py    what of a stage is not
damage.py     which outputs have changed on the disk behind DVC's back; `abreast repro --verify`
checksums.py  checksums as DVC writes them
"""
