"""A web server that gives MTA-STS policies by HTTPS."""

import http.server
import threading


class PolicyServer:
    """`policies` maps a domain to the text (or `(status, content type, text)`) for it; another host
    name gets 404. `certificate` is for every `mta-sts.<domain>`."""

    def __init__(self, policies, certificate, address="127.0.0.1"):
        self.policies = dict(policies)
        self.asked = []
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                domain = self.headers["Host"].split(":")[0].removeprefix("mta-sts.")
                outer.asked.append(domain)
                answer = outer.policies.get(domain, (404, "text/plain", ""))
                status, kind, text = answer if isinstance(answer, tuple) else (
                    200, "text/plain", answer)
                if self.path != "/.well-known/mta-sts.txt":
                    status = 404
                self.send_response(status)
                self.send_header("Content-Type", kind)
                if 300 <= status < 400:
                    self.send_header("Location", text)
                self.end_headers()
                self.wfile.write(text.encode())

            def log_message(self, *args):
                pass

        self._server = http.server.ThreadingHTTPServer((address, 0), Handler)
        self._server.socket = certificate.server_context().wrap_socket(
            self._server.socket, server_side=True)
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def stop(self):
        self._server.shutdown()
        self._server.server_close()


def policy(mode, *mx, age=86400):
    return "".join([f"version: STSv1\r\nmode: {mode}\r\n", *(f"mx: {host}\r\n" for host in mx),
                    f"max_age: {age}\r\n"])
