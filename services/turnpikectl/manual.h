// docs/turnpikectl.md, made of the commands.
#ifndef TURNPIKE_SERVICES_TURNPIKECTL_MANUAL_H_
#define TURNPIKE_SERVICES_TURNPIKECTL_MANUAL_H_

#include <string>

namespace turnpike::ctl {

// The whole page.
std::string MakeManual();

}  // namespace turnpike::ctl

#endif  // TURNPIKE_SERVICES_TURNPIKECTL_MANUAL_H_
