"""Looks the installed packages up among the known vulnerabilities, with pip-audit: exit code 1 where one is known.

Without a network nothing can be looked up; that is said, and is no failure.
"""

from __future__ import annotations

import json
import subprocess
import sys


def main() -> int:
    command = [sys.executable, "-m", "pip_audit", "--local", "--skip-editable", "--progress-spinner", "off"]
    said = ""
    try:
        done = subprocess.run([*command, "--format", "json"], capture_output=True, text=True, timeout=300)
        said = done.stderr.strip()[-300:]
        found = json.loads(done.stdout)["dependencies"]
    except (ValueError, KeyError, subprocess.TimeoutExpired):
        print(f"not audited: the list of vulnerabilities could not be reached, or pip-audit is missing. {said}")
        return 0
    if not any("vulns" in each for each in found):
        print("not audited: no package could be looked up.")
        return 0
    bad = [(each["name"], each["version"], v) for each in found for v in each.get("vulns", [])]
    for name, version, v in bad:
        print(f"{name} {version}: {v['id']}, mended in {', '.join(v.get('fix_versions') or ['no version yet'])}")
    skipped = sum("skip_reason" in each for each in found)
    print(
        f"audited {len(found) - skipped} packages, {skipped} could not be looked up: {len(bad)} known vulnerabilities"
    )
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
