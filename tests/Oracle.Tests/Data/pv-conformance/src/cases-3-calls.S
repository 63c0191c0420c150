// Groups of hypercalls: their rows are in the C files of the same names.
#include "cases.h"
GROUP("memory", memory_groups)
GROUP("types", type_groups)
GROUP("mmuext", mmuext_groups)
GROUP("descriptors", descriptor_groups)
GROUP("callbacks", callback_groups)
GROUP("events", event_groups)
GROUP("vcpu", vcpu_groups)
GROUP("sched", sched_groups)
GROUP("misc", misc_groups)
GROUP("cpuid", cpuid_groups)
