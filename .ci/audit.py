"""Look up known vulnerabilities of what requirements.txt pins, at PyPI; say so where it cannot be reached."""

import json
import subprocess
import sys

COMMAND = [sys.executable, "-m", "pip_audit", "--requirement", "requirements.txt", "--disable-pip", "--format", "json"]


def main() -> int:
    done = subprocess.run([*COMMAND, "--progress-spinner", "off"], capture_output=True, text=True, check=False)
    try:
        packages = json.loads(done.stdout)["dependencies"]
    except ValueError:  # it ends with a traceback where there is no network
        lines = done.stderr.strip().splitlines() or [f"exit status {done.returncode}"]
        print(f"skipped: no list of vulnerabilities could be reached: {lines[-1]}")
        return 0
    asked = [package for package in packages if "skip_reason" not in package]
    faults = [(package, fault) for package in asked for fault in package["vulns"]]
    for package, fault in faults:
        fixed = ", ".join(fault["fix_versions"]) or "none yet"
        print(f"error: {package['name']} {package['version']}: {fault['id']}, fixed in {fixed}", file=sys.stderr)
    if not asked:
        print("skipped: the index that is used knows nothing of vulnerabilities")
    elif not faults:
        print(f"{len(asked)} of {len(packages)} packages looked up: no known vulnerabilities")
    return 2 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
