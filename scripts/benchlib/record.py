"""benches/record/<date>-<machine>/<cohort>/: what was measured, when, and on what."""

import datetime
import json
import os
import platform
import re
import subprocess

HERE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
RECORDS = os.path.join(HERE, "benches", "record")


def machine():
    """What the numbers were measured on, without the name of the host."""
    model = platform.processor() or platform.machine()
    if os.path.exists("/proc/cpuinfo"):
        with open("/proc/cpuinfo") as lines:
            model = next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), model)
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    about = {"cpu": model, "cores": os.cpu_count(), "memory_gib": round(memory, 1)}
    return {**about, "system": platform.system(), "load": os.getloadavg()}


def in_words(about):
    return f"{about['cpu']}, {about['cores']} cores, {about['memory_gib']} GiB"


def commit():
    return subprocess.run(["git", "-C", HERE, "rev-parse", "HEAD"], capture_output=True, text=True).stdout.strip()


def settings(options):
    """What was asked for. A record says nothing about the folders of the machine."""
    paths = ("folder", "keep", "input", "varbatch", "record", "no_record", "scaling")
    return {key: value for key, value in vars(options).items() if key not in paths}


def folder(records, about, name):
    slug = re.sub(r"[^a-z0-9]+", "-", about["cpu"].lower()).strip("-")
    return os.path.join(records, f"{datetime.date.today()}-{slug}-{about['cores']}", name)


def write(records, about, name, everything, text):
    """Writes the runs and the text that was printed; the folder."""
    to = folder(records, about, name)
    os.makedirs(to, exist_ok=True)
    with open(os.path.join(to, "runs.json"), "w") as file:
        json.dump(everything, file, indent=1)
        file.write("\n")
    with open(os.path.join(to, "README.md"), "w") as file:
        file.write(text + "\n")
    return to


def newest(records):
    """The newest record of each cohort: name, (date and machine, its runs)."""
    found = {}
    for day in sorted(os.listdir(records)):
        for name in sorted(os.listdir(os.path.join(records, day))):
            path = os.path.join(records, day, name, "runs.json")
            if os.path.exists(path):
                with open(path) as file:
                    found[name] = (day, json.load(file))
    return found
