/* set_trap_table, set_callbacks, callback_op, nmi_op, stack_switch, debug registers by hypercall, vm_assist. */
#include "kernel.h"

static void trap_tables(void)
{
	static struct trap_info t[4];
	group("set_trap_table");
	T("bad", H1(set_trap_table, BAD));
	t[0] = (struct trap_info){ .vector = 0x25, .cs = KERNEL_CS, .address = (word)entries + 0x25 * 16 };
	T("one", H1(set_trap_table, t));
	t[0].cs = 0;
	T("null selector", H1(set_trap_table, t));
	t[0].cs = 0xe008;
	T("Xen's selector", H1(set_trap_table, t));
#ifdef __x86_64__
	t[0].address = 0x800000000000;
	T("non-canonical", H1(set_trap_table, t));
	t[0].address = 0xffff830000000000;
	T("in Xen", H1(set_trap_table, t));
	t[0].address = 0x800000000000;
	T("non-canonical again", H1(set_trap_table, t));
#endif
	T("null clears all", H1(set_trap_table, NULL));
	trap_table(0);
}

static long register_one(unsigned type, word address)
{
	struct callback_register r = { .type = type };
#ifdef __x86_64__
	r.address = address;
#else
	r.address.cs = KERNEL_CS;
	r.address.eip = address;
#endif
	return H2(callback_op, CALLBACKOP_register, &r);
}

static void callback_ops(void)
{
	group("callback_op");
	for (unsigned type = 0; type < 10; type++) {
		struct callback_unregister u = { .type = type };
		row("register %d", (long)type);
		answer(register_one(type, (word)entries + 0x100 * 16));
		row("register %d: non-canonical", (long)type);
		answer(register_one(type, (word)0x800000000000ull));
		row("unregister %d", (long)type);
		answer(H2(callback_op, CALLBACKOP_unregister, &u));
	}
	T("register: bad", H2(callback_op, CALLBACKOP_register, BAD));
	T("unregister: bad", H2(callback_op, CALLBACKOP_unregister, BAD));
	T("command 2", H2(callback_op, 2, BAD));
	group("set_callbacks");
#ifdef __x86_64__
	T("good", H3(set_callbacks, entries + 0x100 * 16, entries + 0x101 * 16, entries + 0x103 * 16));
	T("non-canonical", H3(set_callbacks, 0x800000000000, entries + 0x101 * 16, entries + 0x103 * 16));
	T("good again", H3(set_callbacks, entries + 0x100 * 16, entries + 0x101 * 16, entries + 0x103 * 16));
#else
	T("good", H4(set_callbacks, KERNEL_CS, entries + 0x100 * 16, KERNEL_CS, entries + 0x101 * 16));
	T("null selector", H4(set_callbacks, 0, entries + 0x100 * 16, 0, entries + 0x101 * 16));
	T("good again", H4(set_callbacks, KERNEL_CS, entries + 0x100 * 16, KERNEL_CS, entries + 0x101 * 16));
#endif
	struct xennmi_callback n = { .handler_address = (word)entries + 0x102 * 16 };
	group("nmi_op");
	T("register", H2(nmi_op, XENNMI_register_callback, &n));
	T("register: bad", H2(nmi_op, XENNMI_register_callback, BAD));
	T("unregister", H2(nmi_op, XENNMI_unregister_callback, NULL));
	T("unregister again", H2(nmi_op, XENNMI_unregister_callback, NULL));
	T("command 2", H2(nmi_op, 2, NULL));
	T("register", H2(nmi_op, XENNMI_register_callback, &n));
}

extern const char nmi_self[], nmi_self_end[], plain_nop[], plain_nop_end[];
__asm__(".balign 16; plain_nop: nop; nop; plain_nop_end: int $0x80;");
#ifdef __x86_64__
__asm__(".balign 16; nmi_self: mov $11, %edi; mov $0, %esi; mov $0, %edx; call hypercall_page + 24 * 32; nmi_self_end: int $0x80;");
#else
__asm__(".balign 16; nmi_self: mov $11, %ebx; mov $0, %ecx; mov $0, %edx; call hypercall_page + 24 * 32; nmi_self_end: int $0x80;");
#endif

static void nmis(void)
{
	struct test_case c = { "VCPUOP_send_nmi", nmi_self, nmi_self_end, NULL, 0 };
	group("nmi");
	T("with an argument", H3(vcpu_op, VCPUOP_send_nmi, 0, 1));
	run(&c);
	/* Until iret says that it is over, another one waits. */
	c.name = "a second one, masked";
	run(&c);
	struct test_case user = { "the way to user mode lets it in", plain_nop, plain_nop_end, NULL, 1 };
	run(&user);
	user.name = "and then it is over";
	run(&user);
}

static void stacks(void)
{
	group("stack_switch");
	static const word selectors[] = { 0, 3, 0xe02b, 0xe021, 0xe010, 0xffff };
	for (unsigned i = 0; i < 6; i++) {
		row("ss %x", selectors[i]);
		answer(H2(stack_switch, selectors[i], case_stack + PAGE));
	}
	T("sp 0", H2(stack_switch, KERNEL_SS, 0));
	T("sp high", H2(stack_switch, KERNEL_SS, (word)0xffff830000000000ull));
	T("good", H2(stack_switch, KERNEL_SS, case_stack + PAGE));
}

static void debug_registers(void)
{
	group("debug registers by hypercall");
	for (unsigned r = 0; r < 9; r++) {
		row("get %d", (long)r);
		answer(H1(get_debugreg, r));
		row("set %d to 0", (long)r);
		answer(H2(set_debugreg, r, 0));
		row("set %d to data", (long)r);
		answer(H2(set_debugreg, r, r < 4 ? (word)data : 0x400));
		row("get %d", (long)r);
		print(": %x", (word)H1(get_debugreg, r) - (r < 4 ? (word)data : 0));
		H2(set_debugreg, r, 0);
	}
	T("Xen's address", H2(set_debugreg, 0, (word)0xffff830000000000ull));
	T("non-canonical", H2(set_debugreg, 0, (word)0x800000000000ull));
	T("dr6 all ones", H2(set_debugreg, 6, 0xffffffff));
	row("dr6 %x", (word)H1(get_debugreg, 6));
	T("dr7: GD", H2(set_debugreg, 7, 0x2400));
	row("dr7 %x", (word)H1(get_debugreg, 7));
	T("dr7: L0 of length 8", H2(set_debugreg, 7, 0x90401));
	row("dr7 %x", (word)H1(get_debugreg, 7));
	T("dr7: I/O without DE", H2(set_debugreg, 7, 0x20401));
	row("dr7 %x", (word)H1(get_debugreg, 7));
	T("dr7: reserved", H2(set_debugreg, 7, 0xd800));
	row("dr7 %x", (word)H1(get_debugreg, 7));
	T("dr7: zero", H2(set_debugreg, 7, 0));
	row("dr7 %x", (word)H1(get_debugreg, 7));
}

void callback_groups(void)
{
	trap_tables();
	callback_ops();
	nmis();
	stacks();
	debug_registers();
	group("vm_assist");
	for (unsigned type = 0; type < 34; type++) {
		if (type > 7 && type < 31)
			continue;
		for (unsigned cmd = 0; cmd < 2; cmd++) {
			row("command %d type %d", (long)cmd, (long)type);
			answer(H2(vm_assist, cmd, type));
		}
	}
	T("command 2", H2(vm_assist, 2, 2));
	T("type -1", H2(vm_assist, 0, -1));
	H2(vm_assist, VMASST_CMD_enable, VMASST_TYPE_writable_pagetables);
	for (unsigned type = 0; type < 8; type++)
		if (type != VMASST_TYPE_writable_pagetables)
			H2(vm_assist, VMASST_CMD_disable, type);
	group("fpu_taskswitch");
	T("1", H1(fpu_taskswitch, 1));
	T("0", H1(fpu_taskswitch, 0));
	T("5", H1(fpu_taskswitch, 5));
	T("0", H1(fpu_taskswitch, 0));
}
