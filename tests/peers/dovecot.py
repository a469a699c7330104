"""A Dovecot of its own: POP3 logins, and the logins of a Postfix beside it."""

import pathlib
import pwd
import shutil

from peers.process import Process, can_connect, free_port, wait_for

CONF = """\
base_dir = {folder}/run
state_dir = {folder}/state
log_path = {folder}/dovecot.log
info_log_path = {folder}/dovecot.log
auth_verbose = yes
protocols = {protocols}
listen = {address}
ssl = {ssl}
{certificate}
disable_plaintext_auth = {disable_plaintext}
auth_mechanisms = {mechanisms}
first_valid_uid = 1
mail_location = maildir:{folder}/mail/%u
mail_uid = {uid}
mail_gid = {gid}
passdb {{
  driver = passwd-file
  args = scheme=PLAIN username_format=%u {folder}/users
}}
userdb {{
  driver = static
  args = uid={uid} gid={gid} home={folder}/mail/%u
}}
service anvil {{
  chroot =
}}
service auth {{
  unix_listener {folder}/auth {{
    mode = 0666
  }}
}}
service pop3-login {{
  chroot =
  inet_listener pop3 {{
    port = {port}
  }}
  inet_listener pop3s {{
    port = {tls_port}
  }}
}}
{extra}
"""


class Dovecot:
    """`users` maps logins to passwords. POP3 at `port`, with TLS from the first octet at `tls_port`
    where there is a certificate ({certificate_file, key_file})."""

    def __init__(self, folder, users, mechanisms="plain login", certificate=None,
                 disable_plaintext=False, address="127.0.0.1", extra=""):
        self.folder = pathlib.Path(folder)
        self.address = address
        self.port = free_port(address)
        self.tls_port = free_port(address) if certificate else 0
        self.process = None
        for sub in ("run", "state", "mail"):
            (self.folder / sub).mkdir(parents=True, exist_ok=True)
        nobody = pwd.getpwnam("nobody")
        shutil.chown(self.folder / "mail", nobody.pw_uid, nobody.pw_gid)
        self.set_users(users)
        pair = (f"ssl_cert = <{certificate['certificate_file']}\n"
                f"ssl_key = <{certificate['key_file']}" if certificate else "")
        (self.folder / "dovecot.conf").write_text(CONF.format(
            folder=self.folder, address=address, port=self.port, tls_port=self.tls_port,
            ssl="yes" if certificate else "no", certificate=pair, mechanisms=mechanisms,
            disable_plaintext="yes" if disable_plaintext else "no", protocols="pop3",
            uid=nobody.pw_uid, gid=nobody.pw_gid, extra=extra))

    def set_users(self, users):
        path = self.folder / "users"
        path.write_text("".join(f"{login}:{{PLAIN}}{password}\n"
                                for login, password in users.items()))
        path.chmod(0o644)

    @property
    def auth_socket(self):
        return self.folder / "auth"

    def start(self):
        # Its processes give up their rights, and must reach the folder all the same.
        for parent in [self.folder, *self.folder.parents]:
            if parent != pathlib.Path("/") and not parent.stat().st_mode & 0o001:
                parent.chmod(parent.stat().st_mode | 0o111)
        self.process = Process(["/usr/sbin/dovecot", "-F", "-c", self.folder / "dovecot.conf"],
                               self.folder / "console.log")
        wait_for(lambda: can_connect(self.address, self.port), what="Dovecot listening")
        return self

    def stop(self):
        if self.process:
            self.process.terminate()
            self.process = None

    def __enter__(self):
        return self.start()

    def __exit__(self, *exc_info):
        self.stop()

    def log_text(self):
        path = self.folder / "dovecot.log"
        return path.read_text(errors="replace") if path.exists() else ""

    def logins(self, user):
        """How often this user has logged in by POP3."""
        return sum("pop3-login: Info: Login:" in line and f"user=<{user}>" in line
                   for line in self.log_text().splitlines())
