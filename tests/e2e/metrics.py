"""Scrapes metrics and reads them with the parser of Debian's python3-prometheus-client."""
import http.client
import socket

from prometheus_client.parser import text_string_to_metric_families


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path, timeout=20):
        super().__init__("bulkhead", timeout=timeout)
        self.path = str(path)

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


def get(where, path="/metrics", method="GET"):
    """`where`: unix:///path or host:port. Status and text."""
    connection = UnixConnection(where[len("unix://"):]) if where.startswith("unix://") else \
        http.client.HTTPConnection(where, timeout=20)
    try:
        connection.request(method, path)
        answer = connection.getresponse()
        return answer.status, answer.read().decode(), answer.headers
    finally:
        connection.close()


class Scrape:
    """One scrape: families by name, values by name and labels."""

    def __init__(self, text):
        self.text = text
        self.families = {}
        self.values = {}
        for family in text_string_to_metric_families(text):
            if family.name in self.families:
                raise AssertionError("family %s appears twice" % family.name)
            self.families[family.name] = family
            for sample in family.samples:
                key = sample.name, frozenset(sample.labels.items())
                if key in self.values:
                    raise AssertionError("%s appears twice" % (key,))
                self.values[key] = sample.value
        self.names = {name for name, _ in self.values}

    def value(self, name, **labels):
        """None: there is no such series."""
        return self.values.get((name, frozenset(labels.items())))


def scrape(where):
    status, text, headers = get(where)
    if status != 200:
        raise AssertionError("%s: %s" % (status, text))
    if headers["Content-Type"] != "text/plain; version=0.0.4; charset=utf-8":
        raise AssertionError(headers["Content-Type"])
    return Scrape(text)
