"""fetchmail: as ODMR client (ATRN) and as ETRN client."""

import os
import pathlib
import subprocess

# Exit codes of fetchmail(1).
NO_MAIL, AUTH_ERROR, PROTOCOL_ERROR, LOCKED = 1, 3, 4, 8


class Fetchmail:
    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)

    def run(self, text, timeout=120):
        """Runs fetchmail once with `text` as its run control file; a CompletedProcess."""
        rc = self.folder / "fetchmailrc"
        rc.write_text(text)
        rc.chmod(0o600)
        return subprocess.run(
            ["fetchmail", "--fetchmailrc", str(rc), "--nodetach", "--nosyslog", "-v", "-v"],
            env={**os.environ, "FETCHMAILHOME": str(self.folder), "LC_ALL": "C"},
            stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace",
            timeout=timeout)

    def collect(self, port, login, password, domains, smtp_host, smtp_port, timeout=120, options="",
                server="127.0.0.1"):
        """ODMR: collects `domains` and passes them to the MTA at smtp_host/smtp_port."""
        return self.run(
            f'poll {server} protocol odmr service {port} username "{login}" password "{password}"\n'
            f'  fetchdomains {",".join(domains)} smtphost {smtp_host}/{smtp_port} {options}\n',
            timeout)

    def etrn(self, port, domains, login=None, password=None, timeout=60, server="127.0.0.1"):
        """Asks for `domains` by ETRN."""
        login_part = f'esmtpname "{login}" esmtppassword "{password}"' if login else ""
        return self.run(
            f'poll {server} protocol etrn service {port} {login_part} '
            f'username "nobody" fetchdomains {",".join(domains)}\n', timeout)
