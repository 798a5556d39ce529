"""Tables and the report.

describe.py       list the layers of each system
compare.py        compare all systems: metrics/ and the tables of the plots
compare_seeds.py  compare the runs of each system over all seeds
report.py         write report.html
"""
