// Entry and Xen notes of a 64-bit PV kernel that runs on the stack it declares.
#define NOTE(type, ...) .pushsection .note.xen, "a", @note; .balign 4; .long 4, 2f - 1f, type; .asciz "Xen"; 1: __VA_ARGS__; 2: .balign 4; .popsection
	NOTE(6, .asciz "dom0-calls")
	NOTE(7, .asciz "1")
	NOTE(5, .asciz "xen-3.0")
	NOTE(8, .asciz "generic")
	NOTE(3, .quad VIRT_BASE)
	NOTE(4, .quad VIRT_BASE)
	NOTE(1, .quad _start)
	NOTE(2, .quad hypercall_page)
	.section .text.head, "ax"
	.globl _start
_start:
	cld
	lea stack_end(%rip), %rsp
	mov %rsi, %rdi
	xor %ebp, %ebp
	call main
1:	jmp 1b
	.section .hypercall, "awx"
	.balign 4096
	.globl hypercall_page
hypercall_page:
	.skip 4096, 0xcc
	.bss
	.balign 16
	.skip 32768
stack_end:
