// The one place that says which version this is.
#ifndef TURNPIKE_SERVICES_COMMON_BASE_VERSION_H_
#define TURNPIKE_SERVICES_COMMON_BASE_VERSION_H_

namespace turnpike::base {

inline constexpr char kVersion[] = "0.1.0";

}  // namespace turnpike::base

#endif  // TURNPIKE_SERVICES_COMMON_BASE_VERSION_H_
