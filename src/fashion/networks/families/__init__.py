"""Model families, a file each; `fashion.networks.building.families` says what is in one."""
