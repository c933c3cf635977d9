#!/usr/bin/env python3
"""`make cost`: the tables of docs/cost.md, and those of docs/performance.md about memory, from what was measured and list prices.

Without arguments it takes what it finds of target/bench.json, target/cold.json and target/lambda/sizes.json into docs/cost.json, and
writes the tables again; with --check it only says whether the pages are what docs/cost.json gives. All that is assumed or priced
stands in docs/cost.json.
"""

import json
import math
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).parent.parent
INPUT = ROOT / "docs/cost.json"
PAGES = {"cost": ["requests", "calls", "idle", "cognito", "prices"], "performance": ["sizes", "memory"]}
# The functions that look at passwords.
HASHING = ("token", "authorize", "authorizer", "admin")
# The request that a function is mostly asked for.
USUAL = {"token": "token", "introspect": "introspect", "revoke": "revoke", "authorize": "sign_in", "authorizer": "authorizer_seen"}
FULL_CPU_MB = 1769
MILLION = 1_000_000


def item_sizes():
    """Kind of item -> (bytes, whether it is in the index): the examples of docs/storage-schema.md, as they are stored."""
    sizes = {}
    for block in re.findall(r"```json\n(.*?)```", (ROOT / "docs/storage-schema.md").read_text(), re.S):
        item = json.loads(block)
        size = 0
        for name, value in item.items():
            text = value if isinstance(value, str) else json.dumps(value, separators=(",", ":"))
            size += len(name) + len(text)
        sizes[item["pk"].split("#")[0]] = (size, "list" in item)
    return sizes


class Bill:
    """What one request of a kind costs, in USD."""

    def __init__(self, data, sizes, memory, name):
        prices = {key: price["usd"] for key, price in data["prices"].items()}
        assumed, cpu = data["assumed"], data["measured"]["cpu_us"]
        request = data["requests"][name]
        reads, transactions = request.get("reads", []), request.get("transactions", [])
        writes, front = request.get("writes", []), request["front"]

        read_units = sum(math.ceil(sizes[kind][0] / 4096) for batch in reads for kind in batch)
        write_units = sum(self.written(sizes, kind) for kind in writes)
        write_units += sum(2 * self.written(sizes, kind) for transaction in transactions for kind in transaction)
        self.units = (read_units, write_units)
        self.dynamodb = read_units * prices["dynamodb_read_unit"] + write_units * prices["dynamodb_write_unit"]

        self.memory = memory[request["function"]]
        share = min(1, self.memory / FULL_CPU_MB)
        on_cpu = sum(cpu[part] for part in request["cpu"]) / 1000 + request.get("argon2", 0) * assumed["argon2_ms"]
        waiting = len(reads) * assumed["read_ms"] + len(writes) * assumed["write_ms"] + len(transactions) * assumed["transaction_ms"]
        # Lambda bills whole milliseconds, of each invocation.
        self.ms = math.ceil(on_cpu / share + waiting)
        self.invocations = max(1, front)
        self.arm64 = self.lambda_cost(prices, "lambda_gb_s_arm64")
        self.x86_64 = self.lambda_cost(prices, "lambda_gb_s_x86_64")

        self.front = front * prices["http_api_request"]
        log_bytes = self.invocations * assumed["lambda_log_bytes"] + front * assumed["access_log_bytes"] + request.get("log_bytes", 0)
        self.logs = log_bytes / 1e9 * prices["log_gb"]

    def lambda_cost(self, prices, gb_second):
        return self.invocations * prices["lambda_request"] + self.ms / 1000 * self.memory / 1024 * prices[gb_second]

    @staticmethod
    def written(sizes, kind):
        size, indexed = sizes[kind]
        return math.ceil(size / 1024) + (1 if indexed else 0)

    def total(self):
        return self.front + self.arm64 + self.dynamodb + self.logs


def table(head, rows):
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


def usd(value):
    return f"{value:,.2f}"


def per_million(data, bills):
    rows = []
    for name, bill in bills.items():
        parts = (bill.front, bill.arm64, bill.dynamodb, bill.logs)
        x86_64 = bill.total() - bill.arm64 + bill.x86_64
        rows.append([
            data["requests"][name]["what"], str(bill.memory), str(bill.ms), f"{bill.units[0]} / {bill.units[1]}",
            *(usd(part * MILLION) for part in parts), f"**{usd(bill.total() * MILLION)}**", usd(x86_64 * MILLION),
        ])
    head = ["a million of", "MB", "ms billed", "units read / written", "HTTP API", "Lambda, arm64", "DynamoDB", "logs", "together", "on x86_64"]
    return table(head, rows)


def calls(data, bills):
    prices = {key: price["usd"] for key, price in data["prices"].items()}
    rows = []
    for gateway, price in (("HTTP API", prices["http_api_request"]), ("REST API", prices["rest_api_request"])):
        cells = [gateway, usd(price * MILLION)]
        for name in ("authorizer_seen", "authorizer_unseen"):
            cells += [usd(bills[name].total() * MILLION), usd((bills[name].total() + price) * MILLION)]
        rows.append(cells)
    return table(["a million calls of an", "its own price", "seen token", "with it", "unseen token", "with it"], rows)


def idle(data, memory):
    prices = {key: price["usd"] for key, price in data["prices"].items()}
    month = data["idle"]
    alarms = sum(month["alarms"].values())
    runs = month["runs_a_month"]
    run = prices["lambda_request"] + month["run_ms"] / 1000 * memory["rotate-keys"] / 1024 * prices["lambda_gb_s_arm64"]
    lines = [
        (f"alarms, which read {alarms} metrics", alarms * prices["alarm_month"]),
        ("the dashboard", month["dashboards"] * prices["dashboard_month"]),
        ("the sealing key, before its first yearly rotation", month["keys"] * prices["kms_key_month"]),
        ("the metrics `KeyAge`, `FeedAge` and `AuthorizerFailures`", month["metrics"] * prices["metric_month"]),
        (f"rotate-keys, {runs} runs", runs * (run + prices["dynamodb_read_unit"] + data["assumed"]["lambda_log_bytes"] / 1e9 * prices["log_gb"])),
        ("a table of 1 MB, with its backups", month["stored_gb"] * (prices["dynamodb_gb_month"] + prices["dynamodb_pitr_gb_month"])),
    ]
    rows = [[what, usd(cost)] for what, cost in lines]
    total = sum(cost for _, cost in lines)
    return total, table(["each month, if nobody asks", "USD"], [*rows, ["**together**", f"**{usd(total)}**"]])


def beside_cognito(data, bills, idle_month):
    prices = {key: price["usd"] for key, price in data["prices"].items()}
    token = bills["token"].total()
    person = data["person"]
    sign_ins, refreshes = person["sign_ins"], person["refreshes"]
    user = sign_ins * (bills["sign_in"].total() + bills["refresh"].total()) + refreshes * bills["refresh"].total()
    rows = [
        ["a million tokens for machines", usd(token * MILLION), usd(prices["cognito_m2m_token"] * MILLION)],
        [f"a thousand people a month ({sign_ins} sign-ins and {refreshes} refreshes each)", usd(user * 1000),
         f"{usd(prices['cognito_lite_mau'] * 1000)} (Lite), {usd(prices['cognito_essentials_mau'] * 1000)} (Essentials)"],
    ]
    even = math.ceil(idle_month / (prices["cognito_m2m_token"] - token))
    people = math.ceil(idle_month / (prices["cognito_essentials_mau"] - user))
    sentence = (
        f"**Break-even.** What is paid when nobody asks, USD {usd(idle_month)} a month, is saved by the {even:,}th token of a month;"
        f" with people instead of machines, by the {people:,}th active user that is not among Cognito's 10,000 free ones (Essentials)."
    )
    return table(["", "Gatewright, USD", "Cognito, USD"], rows) + "\n\n" + sentence


def price_list(data):
    rows = [[price["per"], f"{price['usd']:.10f}".rstrip("0").rstrip("."), price["source"], price["read"]] for price in data["prices"].values()]
    return table(["per", "USD", "AWS's page", "read"], rows)


def sizes_and_cold_starts(data, memory):
    measured = data["measured"]
    at = sorted(next(iter(measured["cold"].values()))["wall_ms"], key=int)
    rows = []
    for function in memory:
        cold = measured["cold"][function]
        sizes = [f"{size / 1e6:.2f}" for arch in ("arm64", "x86_64") for size in measured["sizes"][arch][function]]
        rows.append([function, *sizes, f"{cold['cpu_ms']:.1f}", *(f"{cold['wall_ms'][size]:.0f}" for size in at)])
    return table(["function", "arm64, MB", "zip", "x86_64, MB", "zip", "CPU ms", *(f"ms at {size} MB" for size in at)], rows)


def memory_sizes(data, memory, bills):
    rows = []
    for function, size in memory.items():
        share = min(1, size / FULL_CPU_MB)
        bill = bills.get(USUAL.get(function))
        warm, price = (str(bill.ms), usd(bill.arm64 * MILLION)) if bill else ("", "")
        cold = data["measured"]["cold"][function]["wall_ms"][str(size)]
        password = f"{data['assumed']['argon2_ms'] / share:.0f}" if function in HASHING else ""
        rows.append([function, str(size), f"{share:.0%}", warm, f"{cold:.0f}", password, price])
    return table(["function", "MB", "of a core", "warm, ms", "cold, ms", "a password, ms", "Lambda, USD per million"], rows)


def tables(data):
    functions = json.loads((ROOT / "infra/cdk/functions.json").read_text())
    memory = {name: function["memory"] for name, function in functions.items()}
    sizes = item_sizes()
    bills = {name: Bill(data, sizes, memory, name) for name in data["requests"]}
    idle_month, idle_table = idle(data, memory)
    return {
        "requests": per_million(data, bills),
        "calls": calls(data, bills),
        "idle": idle_table,
        "cognito": beside_cognito(data, bills, idle_month),
        "prices": price_list(data),
        "sizes": sizes_and_cold_starts(data, memory),
        "memory": memory_sizes(data, memory, bills),
    }


def filled(page, names, texts):
    text = page.read_text()
    for name in names:
        made = f"<!-- {name} -->\n{texts[name]}\n<!-- end -->"
        text, found = re.subn(rf"<!-- {name} -->\n.*?<!-- end -->", lambda _: made, text, flags=re.S)
        if found != 1:
            sys.exit(f"{page.name} has {found} places for the table `{name}`")
    return text


def newly_measured(measured):
    """What this machine has measured since, in place of what was measured before."""
    found = {name: ROOT / "target" / name for name in ("bench.json", "cold.json", "lambda/sizes.json")}
    found = {name: json.loads(file.read_text()) for name, file in found.items() if file.exists()}
    if "bench.json" in found:
        functions = found["bench.json"]["functions"]
        measured = {**measured, "cpu_us": {name: round(functions[name]["cpu_us"], 1) for name in measured["cpu_us"]}}
    # A run for one architecture, or of some functions, is no measurement of all.
    for name, member in (("cold.json", "cold"), ("lambda/sizes.json", "sizes")):
        if name in found and found[name].keys() >= measured[member].keys():
            measured = {**measured, member: found[name]}
    return measured


def main(arguments):
    if arguments not in ([], ["--check"]):
        sys.exit("usage: cost.py [--check]")
    data = json.loads(INPUT.read_text())
    if not arguments:
        data["measured"] = newly_measured(data["measured"])
        INPUT.write_text(written(data))
    texts = tables(data)
    for name, names in PAGES.items():
        page = ROOT / f"docs/{name}.md"
        text = filled(page, names, texts)
        if not arguments:
            page.write_text(text)
        elif text != page.read_text():
            sys.exit(f"docs/{name}.md is not what docs/cost.json and infra/cdk/functions.json give: run make cost")
    if not arguments:
        print("\n\n".join(text for name, text in texts.items() if name != "prices"))


def written(data):
    """JSON with a line for each price, each request and each kind of measurement."""
    parts = []
    for name, value in data.items():
        if name in ("prices", "requests", "measured"):
            members = ",\n".join(f"    {json.dumps(key)}: {json.dumps(member)}" for key, member in value.items())
            parts.append(f"  {json.dumps(name)}: {{\n{members}\n  }}")
        else:
            parts.append(f"  {json.dumps(name)}: {json.dumps(value)}")
    return "{\n" + ",\n".join(parts) + "\n}\n"


main(sys.argv[1:])
