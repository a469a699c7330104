// The whole program against services that a test plays.
#ifndef TURNPIKE_SERVICES_TURNPIKECTL_TESTING_PROGRAM_H_
#define TURNPIKE_SERVICES_TURNPIKECTL_TESTING_PROGRAM_H_

#include <map>
#include <string>
#include <vector>

#include "services/turnpikectl/testing/fake_services.h"

namespace turnpike::ctl {

class Program {
 public:
  struct Result {
    int code = -1;
    std::string out;
    std::string err;
  };

  // What a command is run with besides its words.
  struct Surroundings {
    std::string in = {};
    bool in_is_terminal = false;
    bool out_is_terminal = false;
  };

  // All five services are `services()`, which do not answer anything yet.
  Program();

  FakeServices& services() { return services_; }
  // The program's environment.
  std::map<std::string, std::string>& environment() { return environment_; }

  Result Run(const std::vector<std::string>& words, const Surroundings& surroundings) const;
  Result Run(const std::vector<std::string>& words) const { return Run(words, Surroundings()); }

 private:
  FakeServices services_;
  std::map<std::string, std::string> environment_;
};

}  // namespace turnpike::ctl

#endif  // TURNPIKE_SERVICES_TURNPIKECTL_TESTING_PROGRAM_H_
