"""The trainers beside other programs, on the same work in the same job: CPU seconds of whole processes, medians of interleaved
rounds, and what the vectors are worth.

    bench/peers/train_setup.sh FOLDER
    FOLDER/venv/bin/python bench/peers/train.py FOLDER TEXT [--data DIR] [--words 4000000] [--rounds 5] [--write docs/performance.md]

TEXT is any text (a .xz is unpacked); its first --words words, lower-cased runs of a-z and of 0-9, a line a paragraph, are what
the words' trainers train on. DIR has eval/questions-words.txt and eval/EN-*.txt, text/movie-reviews.jsonl.xz and models/*.npy; what
of it is absent is not judged, or not measured. FOLDER has the peers, as word2vec.bin, pword2vec.bin, koan.bin, glove_*.bin,
node2vec.bin and venv/; one that is absent is named as absent; its eval-word-vectors has the pairs of words that DIR lacks. --state
FILE keeps what was measured, so that a run that was broken off goes on; a work in it is not measured again.

Round r draws from seed r where a program takes a seed; quality is the mean of the rounds, and behind +- the standard deviation. A program
that takes longer than --slow CPU seconds runs once. Ratios are what counts: a shared machine slows every program alike."""

import argparse
import json
import os
import pathlib
import resource
import statistics
import subprocess
import tempfile

import train_jobs


def run(command):
    """CPU seconds of a process and its children and what it printed; None when it failed."""
    one = dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "NUMBA_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run([str(part) for part in command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False,
                          env=dict(os.environ, **one, PYTHONHASHSEED="0"))
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode != 0:
        print(f"  {command[0]} failed: {done.stderr.decode(errors='replace')[-300:]}", flush=True)
        return None
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, done.stdout.decode(errors="replace")


def measure(programs, options):
    times = {name: [] for name in programs}
    figures = {name: [] for name in programs}
    for seed in range(1, options.rounds + 1):
        for name, (command, judge, needs) in programs.items():
            if (needs is not None and not needs.exists()) or (times[name] and times[name][0] > options.slow):
                continue
            got = run(command(seed))
            if got is None:
                continue
            times[name].append(got[0])
            figures[name].append(judge(got[1]))
    return {name: {"cpu": times[name], "quality": figures[name]} for name in programs}


def told(figures):
    """'analogies 10.2 +- 0.4, ...' of the rounds' figures."""
    parts = []
    for name in figures[0] if figures else ():
        values = [one[name] for one in figures]
        digits = 2 if "less" in name else 1
        spread = f" ± {statistics.stdev(values):.{digits}f}" if len(values) > 1 else ""
        parts.append(f"{name} {statistics.mean(values):.{digits}f}{spread}")
    return ", ".join(parts)


def lines_of(work, measured):
    mine = statistics.median(measured["vecna"]["cpu"])
    for name, got in measured.items():
        if not got["cpu"]:
            yield f"| {work} | {name} | not here | | |"
            continue
        median = statistics.median(got["cpu"])
        ratio = "" if name.startswith("vecna") else f"{median / mine:.1f}x"
        once = " (once)" if len(got["cpu"]) == 1 else ""
        yield f"| {work} | {name} | {median:.2f}{once} | {ratio} | {told(got['quality'])} |"


def kept_in(path):
    return json.loads(path.read_text()) if path and path.exists() else {}


def write(path, report):
    mark, end = "<!-- train.py -->\n", "<!-- train.py ends -->\n"
    old = path.read_text() if path.exists() else "# Performance\n\n## Training\n\n" + mark + end
    if mark not in old:
        old += "\n## Training\n\n" + mark + end
    path.write_text(old[:old.index(mark) + len(mark)] + report + old[old.index(end):])


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("text", type=pathlib.Path)
    parser.add_argument("--data", type=pathlib.Path)
    parser.add_argument("--words", type=int, default=4000000)
    parser.add_argument("--nodes", type=int, default=10000)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--slow", type=float, default=100)
    parser.add_argument("--only", default="", help="works whose name has this")
    parser.add_argument("--state", type=pathlib.Path)
    parser.add_argument("--write", type=pathlib.Path)
    options = parser.parse_args()
    state = kept_in(options.state)
    loads = []
    with tempfile.TemporaryDirectory(prefix="vecna_bench_") as work:
        text = pathlib.Path(work) / "text.txt"
        words = train_jobs.take_words(options.text, options.words, text)
        jobs = train_jobs.Jobs(options.folder.resolve(), options.data, text, pathlib.Path(work), options)
        lines = []
        for job in jobs.all():
            if options.only not in job.__name__:
                continue
            name, programs = job()
            if not programs:
                lines.append(f"| {name} | its vectors are not in --data | | | |")
                continue
            if name not in state:
                load = [os.getloadavg()[1]]
                state[name] = {"programs": measure(programs, options), "load": load + [os.getloadavg()[1]]}
                if options.state:
                    options.state.write_text(json.dumps({**kept_in(options.state), **state}, indent=1))
            loads += state[name]["load"]
            lines += lines_of(name, state[name]["programs"])
            print("\n".join(lines_of(name, state[name]["programs"])), flush=True)
    report = (f"{words:,} words of {options.text.name.split('.')[0]}, one thread each, whole processes, median of {options.rounds} interleaved rounds (once: above {options.slow:.0f} CPU s); the "
              f"load of the machine's {os.cpu_count()} processors was {min(loads, default=0):.0f} to {max(loads, default=0):.0f} meanwhile. Quality: mean ± standard deviation over the rounds' "
              "seeds (± 0: the program takes none); analogies among the 30,000 most frequent words, pairs of words by Spearman's correlation, in per cent.\n\n"
              "| work | program | CPU s | vecna is faster by | quality |\n| --- | --- | ---: | ---: | --- |\n" + "\n".join(lines) + "\n")
    if options.write:
        write(options.write, report)
    else:
        print(report)


main()
