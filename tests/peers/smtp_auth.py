"""AUTH for the scripted SMTP server: the server's half of the mechanisms that clients of ours use."""

import base64
import hashlib
import hmac
import os


def _encode(text):
    return base64.b64encode(text if isinstance(text, bytes) else text.encode()).decode()


def _decode(text):
    return base64.b64decode(text)


class Logins:
    """`respond` for a Server: `users` maps logins to passwords. `session["login"]` is who has logged
    in, and by what: `("ann", "PLAIN")`. Without a login MAIL gets 530. `then` decides all the rest."""

    def __init__(self, users, mechanisms=("PLAIN",), then=None):
        self.users = dict(users)
        self.mechanisms = tuple(mechanisms)
        self.then = then or (lambda stage, text, session: None)
        self.accepted = []  # (login, mechanism), in order

    @property
    def capability(self):
        return "AUTH " + " ".join(self.mechanisms)

    def __call__(self, stage, text, session):
        exchange = session.get("exchange")
        if stage == "other" and exchange is not None:
            return self._go_on(exchange, _decode(text), session)
        if stage == "other" and text.upper().startswith("AUTH "):
            words = text.split(" ")
            mechanism = words[1].upper()
            if mechanism not in self.mechanisms:
                return "504 5.5.4 no such mechanism"
            exchange = getattr(self, "_" + mechanism.replace("-", "_").lower())()
            session["exchange"], session["mechanism"] = exchange, mechanism
            question = next(exchange)
            if len(words) > 2:
                return self._go_on(exchange, b"" if words[2] == "=" else _decode(words[2]), session)
            return "334 " + _encode(question)
        if stage == "mail" and "login" not in session:
            return "530 5.7.0 Authentication required"
        return self.then(stage, text, session)

    def _go_on(self, exchange, answer, session):
        try:
            step = exchange.send(answer)
        except (StopIteration, ValueError, KeyError, IndexError):
            session["exchange"] = None
            return "535 5.7.8 Authentication credentials invalid"
        if isinstance(step, tuple):
            session["exchange"] = None
            session["login"] = (step[0], session["mechanism"])
            self.accepted.append(session["login"])
            return "235 2.7.0 Welcome"
        return "334 " + _encode(step)

    # Each yields challenges, and at last (login,); it ends when the login is wrong.

    def _plain(self):
        _, login, password = (yield "").split(b"\0")
        if self.users.get(login.decode()) == password.decode():
            yield (login.decode(),)

    def _login(self):
        login = (yield "Username:").decode()
        password = (yield "Password:").decode()
        if self.users.get(login) == password:
            yield (login,)

    def _cram_md5(self):
        challenge = f"<{os.urandom(8).hex()}@sink.test>"
        login, digest = (yield challenge).decode().rsplit(" ", 1)
        if hmac.new(self.users[login].encode(), challenge.encode(), "md5").hexdigest() == digest:
            yield (login,)

    def _scram(self, algorithm):
        # [RFC5802 3]
        client_first = (yield "").decode()
        bare = client_first.split(",", 2)[2]
        fields = dict(part.split("=", 1) for part in bare.split(","))
        login, nonce = fields["n"], fields["r"] + os.urandom(9).hex()
        salt = os.urandom(16)
        server_first = f"r={nonce},s={_encode(salt)},i=4096"
        client_final = (yield server_first).decode()
        without_proof, proof = client_final.rsplit(",p=", 1)
        message = ",".join([bare, server_first, without_proof]).encode()
        salted = hashlib.pbkdf2_hmac(algorithm, self.users[login].encode(), salt, 4096)
        client_key = hmac.new(salted, b"Client Key", algorithm).digest()
        signature = hmac.new(hashlib.new(algorithm, client_key).digest(), message,
                             algorithm).digest()
        if bytes(a ^ b for a, b in zip(client_key, signature)) != _decode(proof):
            return
        server_key = hmac.new(salted, b"Server Key", algorithm).digest()
        yield "v=" + _encode(hmac.new(server_key, message, algorithm).digest())
        yield (login,)

    def _scram_sha_256(self):
        return self._scram("sha256")

    def _scram_sha_1(self):
        return self._scram("sha1")
