"""Look up known vulnerabilities of the packages pinned in requirements.txt, at PyPI.

python -m tools.audit

Prints `skipped` where no list of vulnerabilities can be reached.
"""

import json
import subprocess
import sys

COMMAND = [sys.executable, "-m", "pip_audit", "--requirement", "requirements.txt", "--disable-pip", "--format", "json"]


def main() -> int:
    process = subprocess.run([*COMMAND, "--progress-spinner", "off"], capture_output=True, text=True, check=False)
    try:
        packages = json.loads(process.stdout)["dependencies"]
    except ValueError:  # without a network it ends with a traceback
        lines = process.stderr.strip().splitlines() or [f"exit status {process.returncode}"]
        print(f"skipped: no list of vulnerabilities could be reached: {lines[-1]}")
        return 0
    audited = [package for package in packages if "skip_reason" not in package]
    found = [(package, vulnerability) for package in audited for vulnerability in package["vulns"]]
    for package, vulnerability in found:
        fixed = ", ".join(vulnerability["fix_versions"]) or "none yet"
        print(
            f"error: {package['name']} {package['version']}: {vulnerability['id']}, fixed in {fixed}", file=sys.stderr
        )
    if not audited:
        print("skipped: the package index has no list of vulnerabilities")
    elif not found:
        print(f"{len(audited)} of {len(packages)} packages looked up: no known vulnerabilities")
    return 2 if found else 0


if __name__ == "__main__":
    sys.exit(main())
