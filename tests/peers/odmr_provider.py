"""An ODMR provider written from RFC 2645 with its own code: the second implementation that our
client is tried against. It holds mail in memory, and can do everything wrong on order."""

import base64
import hashlib
import hmac
import os
import socket
import ssl
import threading
import time


class Hang(Exception):
    """Say nothing more, and keep the connection."""


class Cut(Exception):
    """Close without a word."""


class Provider:
    """Serves `login`/`password` on `port`.

    `mail`: what is held, as (sender, [recipients], content); taken from it when answered 250.
    `script(stage, provider)` decides what is said instead of the ordinary reply at a stage: None for
    the ordinary one, a line, bytes as they are, or it raises Cut or Hang. Stages before the turn:
    `connect ehlo starttls auth auth-end atrn`; after it, each before what we say: `turned` (nothing
    is said), `helo mail rcpt data content end quit`.
    """

    def __init__(self, login="customer.test", password="secret", mail=(), mechanisms=("CRAM-MD5",),
                 capabilities=(), certificate=None, implicit_tls=False, script=None,
                 address="127.0.0.1", port=0, domains=None):
        self.login, self.password = login, password
        self.mail = list(mail)
        self.mechanisms, self.capabilities = tuple(mechanisms), tuple(capabilities)
        self.script = script or (lambda stage, provider: None)
        self.domains = domains if domains is not None else [login]
        self.implicit_tls = implicit_tls
        self.context = None
        if certificate:
            self.context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
            self.context.load_cert_chain(certificate["certificate_file"], certificate["key_file"])
        self.used_mechanisms, self.asked, self.replies = [], [], []
        self.connections = self.running = self.running_max = 0
        self.lock = threading.Lock()
        self.hanging = []
        self.socket = socket.create_server((address, port), backlog=64)
        self.address, self.port = self.socket.getsockname()[:2]
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *exc_info):
        self.stop()

    def stop(self):
        for part in [self.socket, *self.hanging]:
            try:
                part.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            part.close()

    def _accept(self):
        while True:
            try:
                connection, _ = self.socket.accept()
            except OSError:
                return
            threading.Thread(target=self._session, args=(connection,), daemon=True).start()

    def _session(self, connection):
        with self.lock:
            self.connections += 1
            self.running += 1
            self.running_max = max(self.running_max, self.running)
        connection.settimeout(60)
        session = _Session(self, connection)
        try:
            session.serve()
        except Hang:
            self.hanging.append(session.connection)
            return
        except (Cut, OSError, ValueError):
            pass
        finally:
            with self.lock:
                self.running -= 1
        try:
            session.connection.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        session.connection.close()


class _Session:
    def __init__(self, provider, connection):
        self.provider, self.connection = provider, connection
        self.is_tls = self.is_in = False
        self.file = connection.makefile("rb")

    def _secure(self):
        self.connection = self.provider.context.wrap_socket(self.connection, server_side=True)
        self.file = self.connection.makefile("rb")
        self.is_tls = True

    def say(self, stage, ordinary):
        """True when the ordinary line was said, or one with the same first digit."""
        line = self.provider.script(stage, self.provider)
        line = ordinary if line is None else line
        self.connection.sendall(line if isinstance(line, bytes) else line.encode() + b"\r\n")
        first = line[:1] if isinstance(line, str) else line[:1].decode("latin-1")
        return first == ordinary[:1]

    def line(self):
        line = self.file.readline(10000)
        if not line.endswith(b"\r\n"):
            raise Cut
        return line[:-2].decode("latin-1")

    # --- Before the turn: we are the server.

    def serve(self):
        if self.provider.implicit_tls:
            self._secure()
        if not self.say("connect", "220 provider.test ODMR"):
            return
        while True:
            line = self.line()
            verb, _, argument = line.partition(" ")
            verb = verb.upper()
            if verb == "EHLO":
                words = ["provider.test", "ATRN", *self.provider.capabilities]
                if self.provider.context and not self.is_tls:
                    words.append("STARTTLS")
                if self.provider.mechanisms:
                    words.append("AUTH " + " ".join(self.provider.mechanisms))
                self.say("ehlo", "\r\n".join(f"250{'-' if i + 1 < len(words) else ' '}{word}"
                                             for i, word in enumerate(words)))
            elif verb == "STARTTLS":
                if self.say("starttls", "220 go ahead"):
                    self._secure()
            elif verb == "AUTH":
                self.auth(argument)
            elif verb == "ATRN":
                if self.atrn(argument):
                    return
            elif verb == "QUIT":
                self.connection.sendall(b"221 bye\r\n")
                return
            else:
                self.connection.sendall(b"502 not here\r\n")

    def auth(self, argument):
        words = argument.split(" ")
        mechanism = words[0].upper()
        self.provider.used_mechanisms.append(mechanism)
        initial = words[1] if len(words) > 1 else None
        is_good = {"CRAM-MD5": self._cram_md5, "PLAIN": self._plain, "LOGIN": self._login,
                   "SCRAM-SHA-256": self._scram}[mechanism](initial)
        if is_good is None:
            return
        self.is_in = self.say("auth-end", "235 2.7.0 in") if is_good else False
        if not is_good:
            self.connection.sendall(b"535 5.7.8 not you\r\n")

    def _ask(self, challenge):
        """The answer to a challenge; None when something else was said instead of it."""
        if not self.say("auth", "334 " + base64.b64encode(challenge).decode()):
            return None
        return base64.b64decode(self.line())

    def _cram_md5(self, _):
        challenge = f"<{os.getpid()}.{time.time_ns()}@provider.test>".encode()
        answer = self._ask(challenge)
        if answer is None:
            return None
        user, _, digest = answer.decode().rpartition(" ")
        right = hmac.new(self.provider.password.encode(), challenge, hashlib.md5).hexdigest()
        return user == self.provider.login and hmac.compare_digest(digest, right)

    def _plain(self, initial):
        message = base64.b64decode(initial) if initial else self._ask(b"")
        return message and message.decode().split("\0")[1:] == [
            self.provider.login, self.provider.password]

    def _login(self, _):
        user, password = self._ask(b"Username:"), self._ask(b"Password:")
        return user == self.provider.login.encode() and password == self.provider.password.encode()

    def _scram(self, initial):
        """RFC 7677 without channel binding."""
        first = base64.b64decode(initial).decode()
        bare = first[first.index("n="):]
        client_nonce = dict(part.split("=", 1) for part in bare.split(","))["r"]
        salt, count = os.urandom(16), 4096
        server_first = f"r={client_nonce}xyz,s={base64.b64encode(salt).decode()},i={count}"
        answer = self._ask(server_first.encode())
        if answer is None:
            return None
        final = answer.decode()
        without_proof, _, proof = final.rpartition(",p=")
        salted = hashlib.pbkdf2_hmac("sha256", self.provider.password.encode(), salt, count)
        stored = hashlib.sha256(hmac.digest(salted, b"Client Key", "sha256")).digest()
        signed = f"{bare},{server_first},{without_proof}".encode()
        signature = hmac.digest(stored, signed, "sha256")
        key = bytes(a ^ b for a, b in zip(base64.b64decode(proof), signature))
        if hashlib.sha256(key).digest() != stored:
            return False
        server = hmac.digest(hmac.digest(salted, b"Server Key", "sha256"), signed, "sha256")
        return self._ask(b"v=" + base64.b64encode(server)) is not None

    def atrn(self, argument):
        """True when the session is over."""
        self.provider.asked.append(argument)
        asked = argument.split(",") if argument else self.provider.domains
        if not self.is_in:
            self.connection.sendall(b"530 5.7.0 who are you\r\n")
        elif any(domain.lower() not in self.provider.domains for domain in asked):
            self.say("atrn", "450 4.7.1 not yours")
        elif not self.provider.mail:
            self.say("atrn", "453 you have no mail")
        elif self.say("atrn", "250 OK now reversing the connection"):
            self.deliver()
            return True
        return False

    # --- After it: we are the client.

    def hear(self):
        line = self.line()
        reply = line
        while line[3:4] == "-":
            line = self.line()
            reply += "\n" + line
        self.provider.replies.append(reply)
        return reply

    def tell(self, stage, text):
        other = self.provider.script(stage, self.provider)
        text = text if other is None else other
        self.connection.sendall(text if isinstance(text, bytes) else text.encode() + b"\r\n")
        return self.hear()

    def deliver(self):
        said = self.provider.script("turned", self.provider)
        if said is not None:
            self.connection.sendall(said)
        if not self.hear().startswith("220"):
            return
        if not self.tell("helo", "EHLO provider.test").startswith("250"):
            return
        kept = []
        while self.provider.mail:
            sender, recipients, content = self.provider.mail[0]
            taken = self._transaction(sender, recipients, content)
            message = self.provider.mail.pop(0)
            if not taken:
                kept.append(message)
        self.provider.mail = kept
        self.tell("quit", "QUIT")

    def _transaction(self, sender, recipients, content):
        if not self.tell("mail", f"MAIL FROM:<{sender}>").startswith("250"):
            self.tell("rset", "RSET")
            return False
        good = [self.tell("rcpt", f"RCPT TO:<{recipient}>").startswith("250")
                for recipient in recipients]
        if not any(good):
            self.tell("rset", "RSET")
            return False
        if not self.tell("data", "DATA").startswith("354"):
            return False
        other = self.provider.script("content", self.provider)
        if other is not None:
            self.connection.sendall(other)
        lines = content.split(b"\r\n")[:-1] if content.endswith(b"\r\n") else content.split(b"\r\n")
        body = b"".join((b"." if line.startswith(b".") else b"") + line + b"\r\n" for line in lines)
        self.connection.sendall(body)
        return self.tell("end", b".\r\n").startswith("250")
