// Prints docs/turnpikectl.md:
//   bazel run //services/turnpikectl:manual_main > docs/turnpikectl.md
#include <cstdio>

#include "services/turnpikectl/manual.h"

int main() {
  std::fputs(turnpike::ctl::MakeManual().c_str(), stdout);
  return 0;
}
