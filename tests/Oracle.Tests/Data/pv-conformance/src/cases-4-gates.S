// Call gates (a 64-bit guest has none that work) and calls that Xen breaks off because an event is due.
#include "cases.h"

// gates.c: the GDT's entries. Code and data of the kernel's ring first, then the gates from 0x100 on.
#ifndef __x86_64__
	.pushsection .text.cases, "ax"
	.balign 16
	.globl gate_target, gate_target_same
// Return address, CS, and what is above them on the stack that the call came to.
gate_target:
	pop %eax
	pop %ecx
	pop %edx
	pop %esi
gate_target_same:
	int $0x80
	.popsection

GROUP("call gates", gates)
B("call", lcall $0x103, $0)
B("call, RPL 0", lcall $0x100, $0)
B("call, same ring: frame", lcall $0x10b, $0)
U("call with 3 parameters", push $0x33; push $0x22; push $0x11; lcall $0x113, $0)
K("call with 3 parameters", push $0x33; push $0x22; push $0x11; lcall $0x113, $0)
B("jump", ljmp $0x103, $0)
B("gate of DPL 1", lcall $0x119, $0)
B("gate of DPL 1, RPL 3", lcall $0x11b, $0)
B("gate not present", lcall $0x123, $0)
B("to code not present", lcall $0x12b, $0)
B("to data", lcall $0x133, $0)
B("to an empty entry", lcall $0x13b, $0)
B("to the user's code", lcall $0x143, $0)
B("jump to the user's code", ljmp $0x143, $0)
B("to conforming code", lcall $0x14b, $0)
B("jump to conforming code", ljmp $0x14b, $0)
B("beyond the limit", lcall $0x153, $0)
B("to a null selector", lcall $0x15b, $0)
B("to e019", lcall $0x163, $0)
B("to the LDT's code", lcall $0x16b, $0)
B("through memory", movw $0x103, 4(%ebx); lcall *(%ebx); movw $0, 4(%ebx))
B("through memory, jump", movw $0x103, 4(%ebx); ljmp *(%ebx))
B("through memory by SS", push $0x103; push $0; lcall *(%esp))
B("through memory, DS null", movw $0x103, 4(%ebx); xor %eax, %eax; mov %eax, %ds; lcall *(%ebx))
B("through memory, ES", movw $0x103, 4(%ebx); xor %eax, %eax; mov %eax, %ds; lcall *%es:(%ebx))
B("through CS", lcall *%cs:1f; 1: .long 0; .word 0x103)
B("16-bit operand", .byte 0x66, 0x9a, 0, 0, 0x03, 0x01)
B("16-bit operand through memory", movw $0x103, 2(%ebx); .byte 0x66; lcall *(%ebx))
B("16-bit address", .byte 0x67; lcall $0x103, $0)
B("trap flag", pushf; orl $0x100, (%esp); popf; lcall $0x103, $0)
B("retf to a gate", push $0x103; push $0; lret)
B("ds: a gate", mov $0x103, %eax; mov %eax, %ds)
B("ds: a gate not present", mov $0x123, %eax; mov %eax, %ds)
B("int3 after all", int3)
B("gate in the LDT", lcall $0xf, $0)
B("gate in the LDT beyond its end", lcall $0x47, $0)
#else
GROUP("call gates", gates)
B("call", movw $0x103, 8(%rbx); rex.w lcall *(%rbx))
B("call of 32 bits", movw $0x103, 4(%rbx); lcall *(%rbx))
B("jump", movw $0x103, 4(%rbx); ljmp *(%rbx))
B("gate not present", movw $0x123, 4(%rbx); lcall *(%rbx))
#endif

// The arguments of a call in its registers, and the call itself with no stub around it: what an event's frame finds in them is Xen's continuation.
#ifdef __x86_64__
#define A1 %rdi
#define A2 %rsi
#define A3 %rdx
#define A4 %r10
#define A5 %r8
#define TRAP syscall
#else
#define A1 %ebx
#define A2 %ecx
#define A3 %edx
#define A4 %esi
#define A5 %edi
#define TRAP int $0x82
#endif
#define UNMASK movb $0, shared + 1

GROUP("calls broken off by an event", continuations)
K("masked", mov $17, %eax; mov $0, A1; mov $0, A2; TRAP)
K("xen_version", UNMASK; mov $17, %eax; mov $0, A1; mov $0, A2; TRAP)
K("mmu_update of 1", UNMASK; mov $1, %eax; mov $pool + 40 * 4096, A1; mov $1, A2; mov $0, A3; mov $0x7ff0, A4; TRAP)
K("mmu_update of 3", UNMASK; mov $1, %eax; mov $pool + 40 * 4096, A1; mov $3, A2; mov $0, A3; mov $0x7ff0, A4; TRAP)
K("mmu_update of 3, done", UNMASK; mov $1, %eax; mov $pool + 40 * 4096, A1; mov $3, A2; mov $data, A3; mov $0x7ff0, A4; TRAP)
K("mmu_update of 3 more, done", UNMASK; movl $5, data; mov $1, %eax; mov $pool + 40 * 4096, A1; mov $0x80000003, A2; mov $data, A3; mov $0x7ff0, A4; TRAP)
K("mmu_update, first bad", UNMASK; mov $1, %eax; mov $pool + 40 * 4096 + 48, A1; mov $3, A2; mov $data, A3; mov $0x7ff0, A4; TRAP)
K("mmuext_op of 3", UNMASK; mov $26, %eax; mov $pool + 41 * 4096, A1; mov $3, A2; mov $data, A3; mov $0x7ff0, A4; TRAP)
K("increase_reservation", UNMASK; mov $12, %eax; mov $0, A1; mov $pool + 42 * 4096, A2; TRAP)
K("increase_reservation from 1", UNMASK; mov $12, %eax; mov $0x40, A1; mov $pool + 42 * 4096, A2; TRAP)
K("populate_physmap", UNMASK; mov $12, %eax; mov $6, A1; mov $pool + 43 * 4096, A2; TRAP)
K("decrease_reservation of nobody's", UNMASK; mov $12, %eax; mov $1, A1; mov $pool + 44 * 4096, A2; TRAP)
K("map_grant_ref", UNMASK; mov $20, %eax; mov $0, A1; mov $pool + 45 * 4096, A2; mov $3, A3; TRAP)
K("unmap_grant_ref", UNMASK; mov $20, %eax; mov $1, A1; mov $pool + 45 * 4096, A2; mov $3, A3; TRAP)
K("grant copy", UNMASK; mov $20, %eax; mov $5, A1; mov $pool + 45 * 4096, A2; mov $3, A3; TRAP)
K("swap_grant_ref", UNMASK; mov $20, %eax; mov $11, A1; mov $pool + 45 * 4096, A2; mov $3, A3; TRAP)
K("set_trap_table", UNMASK; mov $0, %eax; mov $pool + 46 * 4096, A1; TRAP)
K("console_io", UNMASK; mov $18, %eax; mov $0, A1; mov $200, A2; mov $pool + 46 * 4096 + 1024, A3; TRAP)
K("multicall of 3", UNMASK; mov $13, %eax; mov $pool + 47 * 4096, A1; mov $3, A2; TRAP)
K("multicall of 1", UNMASK; mov $13, %eax; mov $pool + 47 * 4096, A1; mov $1, A2; TRAP)
K("multicall, mmu_update in it", UNMASK; mov $13, %eax; mov $pool + 47 * 4096 + 1024, A1; mov $2, A2; TRAP)
K("multicall, memory_op in it", UNMASK; mov $13, %eax; mov $pool + 47 * 4096 + 2048, A1; mov $2, A2; TRAP)
K("event raised on the way", UNMASK; movb $0, shared; mov $13, %eax; mov $pool + 47 * 4096 + 3072, A1; mov $3, A2; TRAP)
GROUP("continuations done", after_continuations)
