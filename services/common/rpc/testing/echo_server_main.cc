// The echo service as a process of its own, for tests that kill it. Argument: host:port. Prints the
// address that it serves on.
#include <unistd.h>

#include <cstdio>
#include <memory>

#include "services/common/rpc/server.h"
#include "services/common/rpc/testing/echo_server.h"

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  turnpike::rpc::testing::EchoServer service;
  auto server = turnpike::rpc::Server::Start({.listen = argv[1]}, {&service});
  if (!server.ok()) {
    fprintf(stderr, "%s\n", server.status().ToString().c_str());
    return 1;
  }
  printf("%s\n", (*server)->address().c_str());
  fflush(stdout);
  while (true) pause();
}
