"""Postfix as a private instance: submission for the gateway, mail from the world, delivery by LMTP."""

import os
import shutil
import socket
import subprocess
import time

from . import template

PATIENCE_SECONDS = 30


class Postfix:
    def __init__(self, directory, ports):
        self.directory = directory
        self.ports = ports
        self.config = f"{directory}/postfix/config"

    def start(self):
        for part in ("config", "queue", "data"):
            os.makedirs(f"{self.directory}/postfix/{part}")
        shutil.chown(f"{self.directory}/postfix/data", "postfix")
        values = {"directory": self.directory, **self.ports}
        for name in ("main.cf", "master.cf", "transport", "refusals", "bounces", "senders"):
            template.write(name, f"{self.config}/{name}", values)
        started = self.order("start")
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not self.listens():
            if time.monotonic() > deadline:
                raise SystemExit(f"Postfix does not start:\n{started.stderr.decode()}\n{self.log()}")
            time.sleep(0.05)

    def listens(self):
        try:
            with socket.create_connection(("127.0.0.1", self.ports["submission"]), 5) as connection:
                return connection.recv(3) == b"220"
        except OSError:
            return False

    def order(self, word):
        return subprocess.run(["postfix", "-c", self.config, word], check=False, capture_output=True)

    def log(self):
        try:
            with open(f"{self.directory}/postfix/log", encoding="utf-8", errors="replace") as file:
                return file.read()
        except OSError:
            return ""

    def stop(self):
        self.order("stop")
