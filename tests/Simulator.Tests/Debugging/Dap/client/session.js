// A whole session with a public client: node session.js, XENSIM as in adapter.js. Any failure is an exception and exit code 1.
const assert = require('node:assert');
const path = require('node:path');
const { DebugClient } = require('@vscode/debugadapter-testsupport');

const client = new DebugClient('node', path.join(__dirname, 'adapter.js'), 'xensim', { env: process.env }, true);
client.defaultTimeout = 120000;
let console_ = '';
client.on('output', e => { if (e.body.category === 'stdout') console_ += e.body.output; });

const stopped = () => client.waitForEvent('stopped');
async function run(request) {
    const [event] = await Promise.all([stopped(), request()]);
    return event.body;
}
const frames = async threadId => (await client.stackTraceRequest({ threadId })).body.stackFrames;
async function scopes(frameId) {
    const all = {};
    for (const scope of (await client.scopesRequest({ frameId })).body.scopes) {
        all[scope.name] = {};
        for (const v of (await client.variablesRequest({ variablesReference: scope.variablesReference })).body.variables)
            all[scope.name][v.name] = v.value;
    }
    return all;
}
const step = granularity => ({ threadId: 1, granularity });

async function session() {
    await client.start();
    const capabilities = (await client.initializeRequest()).body;
    for (const wanted of ['supportsStepBack', 'supportsSteppingGranularity', 'supportsDataBreakpoints', 'supportsInstructionBreakpoints', 'supportsDisassembleRequest', 'supportsReadMemoryRequest'])
        assert.strictEqual(capabilities[wanted], true, wanted);
    await assert.rejects(client.launch({ program: 'no-such-kernel' }), /no such file/);
    await Promise.all([client.waitForEvent('initialized'), client.launch({ program: 'pv64', args: ['--memory', '32'], stopOnEntry: true })]);
    let set = (await client.setFunctionBreakpointsRequest({ breakpoints: [{ name: 'setup_hypercall_page' }, { name: 'setup_hypercall_pages' }] })).body.breakpoints;
    assert.deepStrictEqual(set.map(b => b.verified), [true, false]);
    assert.match(set[1].message, /setup_hypercall_page/);
    assert.strictEqual((await run(() => client.configurationDoneRequest())).reason, 'entry');

    // Stages, from the tools (whose own do_domctl comes first) into Xen. The order of calls: stable-4.17 tools/libs/guest/xg_dom_boot.c, xen/common/domctl.c, xen/arch/x86/domctl.c and domain.c.
    assert.strictEqual((await run(() => client.continueRequest({ threadId: 1 }))).reason, 'function breakpoint');
    let stack = await frames(1);
    assert.strictEqual(stack[0].name, 'setup_hypercall_page');
    const text = (await client.sourceRequest({ source: stack[0].source, sourceReference: stack[0].source.sourceReference })).body.content.split('\n');
    assert.match(text[stack[0].line - 1], /^ +setup_hypercall_page /);
    for (const stage of ['do_domctl', 'do_domctl', 'arch_do_domctl', 'init_hypercall_page']) {
        assert.strictEqual((await run(() => client.stepInRequest(step('statement')))).reason, 'step');
        stack = await frames(1);
        assert.strictEqual(stack[0].name, stage);
        assert.match(text[stack[0].line - 1], new RegExp(`^ *${stage} `));
    }
    const call = stack.find(f => f.name === 'XEN_DOMCTL_hypercall_init');
    assert.ok(call, 'the hypercall is a frame between Xen\'s stages and those of the tools');
    const decoded = (await scopes(call.id)).Arguments;
    assert.deepStrictEqual([decoded.hypercall, decoded.caller, decoded.target], ['domctl (XEN_DOMCTL_hypercall_init)', 'the tools', 'd1']);
    await run(() => client.stepOutRequest(step('statement')));
    await run(() => client.send('stepBack', step('statement')));

    // A line of the document, reached backwards.
    await client.setFunctionBreakpointsRequest({ breakpoints: [] });
    const line = text.findIndex(l => /^ +xc_dom_boot_mem_init /.test(l)) + 1;
    assert.ok(line > 0, text.join('\n'));
    set = (await client.setBreakpointsRequest({ source: stack[0].source, breakpoints: [{ line }] })).body.breakpoints;
    assert.deepStrictEqual([set[0].verified, set[0].line], [true, line]);
    assert.strictEqual((await run(() => client.reverseContinueRequest({ threadId: 1 }))).reason, 'breakpoint');
    stack = await frames(1);
    assert.deepStrictEqual([stack[0].name, stack[0].line], ['xc_dom_boot_mem_init', line]);
    await client.setBreakpointsRequest({ source: stack[0].source, breakpoints: [] });

    // A hypercall of the guest: xen_version is number 17 (xen/include/public/xen.h), and each slot of the page has 32 bytes.
    await client.setFunctionBreakpointsRequest({ breakpoints: [{ name: 'xen_version', condition: 'caller != 0' }] });
    assert.strictEqual((await run(() => client.continueRequest({ threadId: 1 }))).reason, 'function breakpoint');
    stack = await frames(1);
    assert.strictEqual(stack[0].name, 'XENVER_version');
    assert.match(stack[1].name, /^hypercall_page\+0x22[0-9a-f]$/);
    assert.strictEqual((await scopes(stack[0].id)).Arguments.caller, 'd1v0');
    await run(() => client.nextRequest(step('line')));
    await client.setFunctionBreakpointsRequest({ breakpoints: [] });

    // Instructions of the guest.
    const page = (await client.evaluateRequest({ expression: 'hypercall_page', context: 'watch' })).body;
    const slot = '0x' + (BigInt(page.memoryReference) + 17n * 32n).toString(16);
    set = (await client.send('setInstructionBreakpoints', { breakpoints: [{ instructionReference: page.memoryReference, offset: 17 * 32 }] })).body.breakpoints;
    assert.strictEqual(set[0].instructionReference, slot);
    const stop = await run(() => client.continueRequest({ threadId: 1 }));
    assert.strictEqual(stop.reason, 'instruction breakpoint');
    const vcpu = (await client.threadsRequest()).body.threads.find(t => t.name.startsWith('d1v0'));
    stack = await frames(vcpu.id);
    assert.strictEqual(stack[0].instructionPointerReference, slot);
    const state = await scopes(stack[0].id);
    assert.strictEqual(state.Registers.rip.split(' ')[0], slot);
    assert.strictEqual(state.start_info.nr_pages, '0x2000'); // 32 MiB
    assert.strictEqual(state.start_info.magic, '"xen-3.0-x86_64"');
    assert.ok(BigInt(state['System registers'].cr3) > 0n);

    // push %rcx; push %r11; mov $17,%eax; syscall: stable-4.17 xen/arch/x86/pv/hypercall.c, pv_ring3_init_hypercall_page.
    const code = (await client.send('disassemble', { memoryReference: slot, instructionOffset: -2, instructionCount: 6 })).body.instructions;
    assert.strictEqual(code[2].address, slot);
    assert.deepStrictEqual(code.slice(2).map(i => i.instruction.split(' ')[0]), ['push', 'push', 'mov', 'syscall']);
    await run(() => client.nextRequest({ threadId: vcpu.id, granularity: 'instruction' }));
    assert.strictEqual((await frames(vcpu.id))[0].instructionPointerReference, '0x' + (BigInt(slot) + 1n).toString(16));
    await run(() => client.send('stepBack', { threadId: vcpu.id, granularity: 'instruction' }));
    assert.strictEqual((await frames(vcpu.id))[0].instructionPointerReference, slot);
    await client.send('setInstructionBreakpoints', { breakpoints: [] });

    // Registers and memory can be set.
    const general = (await client.scopesRequest({ frameId: (await frames(vcpu.id))[0].id })).body.scopes[0];
    assert.match((await client.setVariableRequest({ variablesReference: general.variablesReference, name: 'rbx', value: '0x1234 + 1' })).body.value, /^0x1235/);
    assert.strictEqual((await client.evaluateRequest({ expression: 'rbx', context: 'watch' })).body.result, '0x1235');
    const stackTop = (await client.evaluateRequest({ expression: 'rsp - 64', context: 'watch' })).body.memoryReference;
    assert.strictEqual((await client.send('writeMemory', { memoryReference: stackTop, data: Buffer.from('abc').toString('base64') })).body.bytesWritten, 3);
    assert.strictEqual(Buffer.from((await client.send('readMemory', { memoryReference: stackTop, count: 3 })).body.data, 'base64').toString(), 'abc');
    assert.match((await client.evaluateRequest({ expression: 'help', context: 'repl' })).body.result, /break/);

    // The bytes of the stub, and a watch on what the guest's stack holds below it.
    const bytes = Buffer.from((await client.send('readMemory', { memoryReference: slot, count: 8 })).body.data, 'base64');
    assert.strictEqual(bytes.toString('hex'), '514153b811000000');
    const info = (await client.send('dataBreakpointInfo', { name: 'rsp - 8', bytes: 8 })).body;
    set = (await client.send('setDataBreakpoints', { breakpoints: [{ dataId: info.dataId, accessType: 'write' }] })).body.breakpoints;
    assert.strictEqual(set[0].verified, true);
    const watched = await run(() => client.continueRequest({ threadId: 1 }));
    assert.strictEqual(watched.reason, 'data breakpoint');
    assert.strictEqual((await frames(vcpu.id))[0].instructionPointerReference, '0x' + (BigInt(slot) + 1n).toString(16));
    await client.send('setDataBreakpoints', { breakpoints: [] });
    assert.strictEqual(BigInt((await client.evaluateRequest({ expression: 'rip == ' + slot + ' + 1', context: 'hover' })).body.memoryReference), 1n);
    await assert.rejects(client.evaluateRequest({ expression: 'no_such_name', context: 'watch' }), /no_such_name/);

    // To the end, and back from there to the begin.
    assert.match((await run(() => client.continueRequest({ threadId: 1 }))).description, /the guest powered off/);
    assert.match(console_, /sched_op\(shutdown, poweroff\): bye/);
    assert.match((await run(() => client.reverseContinueRequest({ threadId: 1 }))).description, /the begin of history/);
    await run(() => client.continueRequest({ threadId: 1 }));
    assert.strictEqual(console_.split('bye').length, 2, 'what was printed once is not printed again');
    const [exited] = await Promise.all([client.waitForEvent('exited'), client.waitForEvent('terminated'), client.continueRequest({ threadId: 1 })]);
    assert.strictEqual(exited.body.exitCode, 0);
    await client.disconnectRequest();
}

session().then(() => console.log('the session is as it should be'), e => {
    console.error(e);
    process.exitCode = 1;
}).finally(() => client.stop());
