"""A model server that listens and answers everything with 503: it runs, and is never healthy."""

import os
from http.server import BaseHTTPRequestHandler, HTTPServer


class Mute(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_error(503, 'not healthy')

    do_POST = do_GET


if __name__ == '__main__':
    HTTPServer(('127.0.0.1', int(os.environ['PORT'])), Mute).serve_forever()
