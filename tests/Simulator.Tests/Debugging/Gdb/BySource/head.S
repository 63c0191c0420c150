// Entry and Xen notes of a 64-bit PV kernel: xen/include/public/elfnote.h, calls: xen/include/public/xen.h and sched.h.
#define NOTE(type, ...) .pushsection .note.xen, "a", @note; .balign 4; .long 4, 2f - 1f, type; .asciz "Xen"; 1: __VA_ARGS__; 2: .balign 4; .popsection
#define VIRT_BASE 0xffffffff80000000
	NOTE(6, .asciz "by-source")      // XEN_ELFNOTE_GUEST_OS
	NOTE(5, .asciz "xen-3.0")        // XEN_ELFNOTE_XEN_VERSION
	NOTE(8, .asciz "generic")        // XEN_ELFNOTE_LOADER
	NOTE(3, .quad VIRT_BASE)         // XEN_ELFNOTE_VIRT_BASE
	NOTE(4, .quad VIRT_BASE)         // XEN_ELFNOTE_PADDR_OFFSET: the segments' physical addresses are their virtual ones
	NOTE(1, .quad _start)            // XEN_ELFNOTE_ENTRY
	NOTE(2, .quad hypercall_page)    // XEN_ELFNOTE_HYPERCALL_PAGE
	.section .text.head, "ax"
	.globl _start
	.type _start, @function
_start:
	.cfi_startproc
	.cfi_undefined rip
	cld
	lea stack_end(%rip), %rsp
	xor %ebp, %ebp
	call kernel
	mov %eax, reason(%rip)
	mov $2, %edi                     // SCHEDOP_shutdown
	lea reason(%rip), %rsi
	call hypercall_page + 29 * 32    // __HYPERVISOR_sched_op
1:	jmp 1b
	.cfi_endproc
	.size _start, . - _start
	.section .hypercall, "awx"
	.balign 4096
hypercall_page:
	.skip 4096, 0xcc
	.bss
	.balign 16
reason:
	.skip 16
	.skip 16384
stack_end:
	.section .note.GNU-stack, "", @progbits
