// Core dumps hold passwords: of mail that passes, of the configuration.
#ifndef TURNPIKE_SERVICES_COMMON_PROCESS_CORE_DUMPS_H_
#define TURNPIKE_SERVICES_COMMON_PROCESS_CORE_DUMPS_H_

namespace turnpike::process {

// From here on the kernel writes no core dump of this process, neither to a file nor to a handler,
// and only root looks into its memory. (AU-23)
void ForbidCoreDumps();

}  // namespace turnpike::process

#endif  // TURNPIKE_SERVICES_COMMON_PROCESS_CORE_DUMPS_H_
