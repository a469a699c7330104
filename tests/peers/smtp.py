"""SMTP by hand, both sides: a client that sends exactly what it is told, and a scripted server that
answers so. For what no well-behaved program does."""

import base64
import hmac
import socket
import ssl
import threading


class Client:
    """A connection to an SMTP server. Strings are sent with CRLF, bytes as they are."""

    def __init__(self, port, address="127.0.0.1", source=None, tls=False, timeout=20, greet=True):
        self.socket = socket.create_connection(
            (address, port), timeout=timeout, source_address=(source, 0) if source else None)
        if tls:
            self._wrap()
        self.file = self.socket.makefile("rb")
        self.greeting = self.reply() if greet else None

    def _wrap(self):
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        self.socket = context.wrap_socket(self.socket)

    def __enter__(self):
        return self

    def __exit__(self, *exc_info):
        self.close()

    def send(self, text):
        self.socket.sendall(text if isinstance(text, bytes) else text.encode() + b"\r\n")

    def line(self):
        """One line without CRLF; ConnectionError at the end of the stream."""
        line = self.file.readline(70000)
        if not line.endswith(b"\r\n"):
            raise ConnectionError(f"connection closed after {line!r}")
        return line[:-2].decode("utf-8", "replace")

    def reply(self):
        """One reply, its lines joined by LF."""
        lines = [self.line()]
        while lines[-1][3:4] == "-":
            lines.append(self.line())
        return "\n".join(lines)

    def ask(self, text):
        self.send(text)
        return self.reply()

    def ehlo(self, name="client.test"):
        """The capabilities as a dict of keyword to parameters."""
        lines = self.ask(f"EHLO {name}").split("\n")
        assert lines[0].startswith("250"), lines
        words = [line[4:].split(" ", 1) for line in lines[1:]]
        return {word[0].upper(): (word[1] if len(word) > 1 else "") for word in words}

    def starttls(self):
        answer = self.ask("STARTTLS")
        assert answer.startswith("220"), answer
        self._wrap()
        self.file = self.socket.makefile("rb")

    def auth_plain(self, login, password):
        token = base64.b64encode(f"\0{login}\0{password}".encode()).decode()
        return self.ask(f"AUTH PLAIN {token}")

    def auth_cram_md5(self, login, password):
        answer = self.ask("AUTH CRAM-MD5")
        if not answer.startswith("334 "):
            return answer
        digest = hmac.new(password.encode(), base64.b64decode(answer[4:]), "md5").hexdigest()
        return self.ask(base64.b64encode(f"{login} {digest}".encode()).decode())

    def mail(self, sender, recipients, content, mail_parameters="", rcpt_parameters=""):
        """A whole transaction; the answer to the data, or the first refusal."""
        answer = self.ask(f"MAIL FROM:<{sender}>{mail_parameters}")
        if not answer.startswith("250"):
            return answer
        for recipient in recipients:
            answer = self.ask(f"RCPT TO:<{recipient}>{rcpt_parameters}")
            if not answer.startswith("250"):
                return answer
        answer = self.ask("DATA")
        if not answer.startswith("354"):
            return answer
        return self.ask(stuff(content) + b".\r\n")

    def closed(self):
        """True when the server has closed; waits for it up to the timeout."""
        try:
            return self.file.read(1) == b""
        except ConnectionResetError:
            return True

    def close(self):
        """Closes the connection; the file object would keep it open."""
        for part in (self.file, self.socket):
            try:
                part.close()
            except OSError:
                pass


def stuff(content):
    """Dot-stuffed content that ends with CRLF. Content is bytes with CRLF line ends."""
    lines = content.split(b"\r\n")
    if lines[-1] == b"":
        lines.pop()
    return b"".join((b"." + line if line.startswith(b".") else line) + b"\r\n" for line in lines)


def message(number=1, size=0, subject="test"):
    """A small message with a number to know it by; `size` octets of body."""
    body = (b"0123456789abcdef" * 4 + b"\r\n") * (size // 66) if size else b"Hello.\r\n"
    return (f"From: Ann <ann@sender.test>\r\nTo: bob@customer.test\r\nSubject: {subject} {number}\r\n"
            f"Message-ID: <{number}.{subject.replace(' ', '.')}@sender.test>\r\n\r\n").encode() + body


class Message:
    """What a scripted server was given in one transaction."""

    def __init__(self, mail, rcpts, content, tls=None):
        self.mail, self.rcpts, self.content, self.tls = mail, rcpts, content, tls

    def __repr__(self):
        return f"Message({self.mail!r}, {self.rcpts!r}, {len(self.content)} octets)"


class Server:
    """An SMTP or LMTP server whose answers are decided by `respond(stage, text, session)`.

    Stages: `connect`, `helo`, `starttls`, `mail`, `rcpt`, `data`, `end`, `quit`, `rset`, `other`. It returns a
    reply line (or several joined by CRLF), `None` for the ordinary one, or `CLOSE`.
    """

    CLOSE = object()

    def __init__(self, respond=None, address="127.0.0.1", port=0, capabilities=(), lmtp=False,
                 tls=None):
        """`tls`: an ssl.SSLContext; STARTTLS is offered with it until TLS is on."""
        self.tls = tls
        self.respond = respond or (lambda stage, text, session: None)
        self.capabilities = tuple(capabilities)
        self.lmtp = lmtp
        self.messages = []
        self.connections = 0
        self.transcripts = []
        self.lock = threading.Lock()
        self.socket = socket.create_server((address, port), backlog=256)
        self.address, self.port = self.socket.getsockname()[:2]
        self._stopping = False
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def __enter__(self):
        return self

    def __exit__(self, *exc_info):
        self.stop()

    def stop(self):
        self._stopping = True
        try:
            self.socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.socket.close()

    def _accept(self):
        while not self._stopping:
            try:
                connection, peer = self.socket.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection, peer), daemon=True).start()

    def _serve(self, connection, peer):
        with self.lock:
            self.connections += 1
            number = self.connections
        try:
            connection.settimeout(60)
            self.serve(connection, number, peer)
        except OSError:
            pass
        finally:
            connection.close()

    def serve(self, connection, number=1, peer=None):
        """Plays the server on an open connection (also after an ATRN turn)."""
        session = {"number": number, "mail": None, "rcpts": [], "peer": peer, "lines": [],
                   "tls": None}
        with self.lock:
            self.transcripts.append(session["lines"])
        file = connection.makefile("rb")

        def answer(stage, text, ordinary):
            reply = self.respond(stage, text, session)
            if reply is self.CLOSE:
                raise ConnectionAbortedError
            reply = ordinary if reply is None else reply
            connection.sendall(reply if isinstance(reply, bytes) else reply.encode() + b"\r\n")
            return reply if isinstance(reply, str) else reply.decode("latin-1")

        if not answer("connect", "", "220 sink.test ESMTP").startswith("220"):
            return
        while True:
            line = file.readline()
            if not line:
                return
            text = line.rstrip(b"\r\n").decode("utf-8", "replace")
            session["lines"].append(text)
            verb = text.split(" ", 1)[0].upper().split(":", 1)[0]
            if verb in ("EHLO", "LHLO"):
                offers_tls = self.tls is not None and session["tls"] is None
                lines = ["sink.test", *self.capabilities, *(["STARTTLS"] if offers_tls else [])]
                answer("helo", text, "\r\n".join(
                    f"250{'-' if i + 1 < len(lines) else ' '}{word}" for i, word in enumerate(lines)))
            elif verb == "HELO":
                answer("helo", text, "250 sink.test")
            elif verb == "MAIL":
                if answer("mail", text, "250 2.1.0 ok").startswith("250"):
                    session["mail"], session["rcpts"] = text, []
            elif verb == "RCPT":
                if answer("rcpt", text, "250 2.1.5 ok").startswith("250"):
                    session["rcpts"].append(text)
            elif verb == "DATA":
                ordinary = "354 go" if session["rcpts"] else "503 5.5.1 no recipients"
                if answer("data", text, ordinary).startswith("354"):
                    content = self._content(file)
                    if content is None:
                        return
                    self._end(session, content, answer)
            elif verb == "STARTTLS" and self.tls is not None:
                if answer("starttls", text, "220 2.0.0 go ahead").startswith("220"):
                    connection = self.tls.wrap_socket(connection, server_side=True)
                    file = connection.makefile("rb")
                    session["tls"] = {"version": connection.version(),
                                      "resumed": connection.session_reused}
            elif verb == "RSET":
                session["mail"], session["rcpts"] = None, []
                answer("rset", text, "250 2.0.0 ok")
            elif verb == "QUIT":
                answer("quit", text, "221 2.0.0 bye")
                return
            else:
                answer("other", text, "250 2.0.0 ok")

    def _end(self, session, content, answer):
        received = Message(session["mail"], list(session["rcpts"]), content, session["tls"])
        session["content"] = content
        replies = [answer("end", rcpt, "250 2.0.0 taken")
                   for rcpt in (session["rcpts"] if self.lmtp else [""])]
        if any(reply.startswith("250") for reply in replies):
            with self.lock:
                self.messages.append(received)
        session["mail"], session["rcpts"] = None, []

    @staticmethod
    def _content(file):
        lines = []
        while True:
            line = file.readline()
            if not line:
                return None
            if line == b".\r\n":
                return b"".join(lines)
            lines.append(line[1:] if line.startswith(b".") else line)
