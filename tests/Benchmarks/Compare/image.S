# The machine code that every emulator of the comparison runs: a boot sector that loads the rest, the way into long mode, and the
# workloads at CPL 0 with an identity mapping. A workload says when it begins and ends by a byte on port 0xE9: 0xF0 + 2 * number, and one
# more. Linked at 0xFE00, so that what follows the boot sector is at 0x10000, where the sector loads it (and where an emulator without
# BIOS starts: real mode, CS = 0x1000, IP = 0). At 0x10010 is the entry for one that starts in long mode and has no system registers.
#
#   as image.S -o image.o && ld -Ttext=0xFE00 --oformat binary -e 0 image.o -o image.bin

        .set    PML4, 0x1000
        .set    PDPT, 0x2000
        .set    PD, 0x3000
        .set    PT, 0x4000              # of the 2 MiB at WINDOW
        .set    IDT, 0x5000
        .set    STACK, 0x9F000
        .set    WINDOW, 0x2000000
        .set    DATA, 0x400000          # 64 KiB that the hot loop reads
        .set    SOURCE, 0x800000
        .set    DESTINATION, 0xA00000

        .set    HOT_ROUNDS, 1500000
        .set    COLD_FUNCTIONS, 3000
        .set    COLD_PASSES, 12
        .set    COPY_ROUNDS, 400
        .set    CALL_ROUNDS, 800000
        .set    FAULT_ROUNDS, 200000

        .code16
        .text
# ---- boot sector: runs at 0x7C00 and refers to nothing by address -------------------------------------------------------------------
        cli
        xorw    %ax, %ax
        movw    %ax, %ds
        movw    %ax, %ss
        movw    $0x7000, %sp
        movw    $(payload_end - payload + 8191) / 8192, %bp
        movw    $0x1000, %di            # segment to load to
        movl    $1, %esi                # sector
1:      movw    $0x10, 0x600            # disk address packet: 16 sectors
        movw    $16, 0x602
        movw    $0, 0x604
        movw    %di, 0x606
        movl    %esi, 0x608
        movl    $0, 0x60C
        pushw   %si
        movw    $0x600, %si
        movb    $0x42, %ah
        int     $0x13
        popw    %si
        jc      2f
        addw    $0x200, %di
        addl    $16, %esi
        decw    %bp
        jnz     1b
        ljmp    $0x1000, $0
2:      hlt
        jmp     2b
        .org    510
        .word   0xAA55

# ---- real mode to long mode ---------------------------------------------------------------------------------------------------------
payload:
        jmp     real_mode
        .org    512 + 16
        .code64
plain:  movl    $STACK, %esp
        call    plain_workloads
        hlt
        .code16
real_mode:
        cli
        movw    $0x1000, %ax
        movw    %ax, %ds
        inb     $0x92, %al              # A20
        orb     $2, %al
        outb    %al, $0x92
        xorw    %ax, %ax
        movw    %ax, %es
        movw    $PML4, %di
        movw    $0x5000 / 2, %cx        # all tables and the IDT
        cld
        rep stosw
        movl    $PDPT | 7, %es:PML4
        movl    $PD | 7, %es:PDPT
        movw    $PD, %di
        movl    $0x87, %eax             # 2 MiB pages, for ring 3 too
        movw    $32, %cx
1:      movl    %eax, %es:(%di)
        addw    $8, %di
        addl    $0x200000, %eax
        loop    1b
        movl    $PT | 7, %es:PD + (WINDOW >> 21) * 8
        lgdtl   (gdt_pointer - payload)
        movl    %cr4, %eax
        orl     $0x620, %eax            # PAE, OSFXSR, OSXMMEXCPT
        movl    %eax, %cr4
        movl    $PML4, %eax
        movl    %eax, %cr3
        movl    $0xC0000080, %ecx
        rdmsr
        orl     $0x101, %eax            # LME, SCE
        wrmsr
        movl    %cr0, %eax
        orl     $0x80010001, %eax       # PG, WP, PE
        andl    $~0x60000004, %eax      # caches on, no EM
        movl    %eax, %cr0
        ljmpl   $0x08, $long_mode

        .balign 8
gdt:    .quad   0
        .quad   0x00AF9B000000FFFF      # 0x08 code, CPL 0
        .quad   0x00CF93000000FFFF      # 0x10 data, CPL 0
        .quad   0x00CFF3000000FFFF      # 0x18 data, CPL 3 (SYSRET: SS = base + 8)
        .quad   0x00AFFB000000FFFF      # 0x20 code, CPL 3 (SYSRET: CS = base + 16)
gdt_pointer:
        .word   . - gdt - 1
        .long   gdt
idt_pointer:
        .word   256 * 16 - 1
        .quad   IDT

        .code64
        .macro  mark number
        movb    $0xF0 + \number, %al
        outb    %al, $0xE9
        .endm

long_mode:
        movl    $0x10, %eax
        movl    %eax, %ds
        movl    %eax, %es
        movl    %eax, %ss
        movl    $STACK, %esp
        call    plain_workloads
        call    system_workloads
1:      hlt
        jmp     1b

plain_workloads:
        call    fill
        mark    0
        call    hot
        mark    1
        mark    2
        call    cold
        mark    3
        mark    4
        call    copies
        mark    5
        ret

fill:   movl    $DATA, %edi
        movl    $0x12345678, %eax
        movl    $0x10000 / 4, %ecx
1:      imull   $1103515245, %eax, %eax
        addl    $12345, %eax
        movl    %eax, (%rdi)
        addq    $4, %rdi
        decl    %ecx
        jnz     1b
        movl    $SOURCE, %edi
        movl    $0x40000, %ecx
        movl    $0x5A, %eax
        rep stosb
        ret

# ---- (a) hot: hash a record, look it up, count, call, compare a string: what a kernel's inner loops are made of -----------------------
hot:    movl    $HOT_ROUNDS, %r15d
        movl    $DATA, %ebx
        xorl    %r12d, %r12d
        xorl    %r14d, %r14d
1:      movq    (%rbx,%r12), %rax
        movl    8(%rbx,%r12), %edx
        movq    %rax, %rcx
        shrq    $29, %rcx
        xorq    %rcx, %rax
        imulq   $0x5851F42D, %rax, %rax
        addq    %rdx, %rax
        movl    %eax, %ecx
        andl    $0x3FF8, %ecx
        leaq    0x4000(%rbx,%rcx), %rsi
        cmpq    %rax, (%rsi)
        je      2f
        movq    %rax, (%rsi)
        incq    %r14
2:      movzbl  (%rbx,%rcx), %edi
        testb   $1, %dil
        jz      3f
        subq    %rdi, %r14
        jmp     4f
3:      addq    %rdi, %r14
4:      call    5f
        addq    $24, %r12
        andl    $0x3FFF, %r12d
        decl    %r15d
        jnz     1b
        ret
5:      pushq   %rbp
        movq    %rsp, %rbp
        movl    $4, %ecx
        leaq    0x8000(%rbx,%r12), %rsi
6:      movzwl  (%rsi), %eax
        addl    %eax, %edx
        roll    $5, %edx
        addq    $2, %rsi
        subl    $1, %ecx
        jne     6b
        cmpl    $100, %edx
        cmovbl  %edx, %eax
        movl    %eax, 0xC000(%rbx)
        popq    %rbp
        ret

# ---- (b) cold: 54,000 instructions, each executed once a pass -----------------------------------------------------------------------
cold:   movl    $COLD_PASSES, %r15d
        movl    $DATA, %ebx
        movl    $1, %eax
        movl    $2, %edx
1:      call    cold_chain
        decl    %r15d
        jnz     1b
        ret

        .macro  cold_function
        movl    $(i * 2654435761) & 0x7FFFFFFF, %ecx
        addl    %ecx, %eax
        movq    (i * 40) & 0x7FF8(%rbx), %rsi
        xorq    %rsi, %rax
        leaq    i(%rax,%rdx), %rdi
        movl    %edi, 0x8000 + ((i * 24) & 0x3FF8)(%rbx)
        testl   $1 << (i & 15), %edi
        jz      1f
        addq    $i, %rdx
1:      shrl    $(i % 13) + 1, %ecx
        pushq   %rax
        orl     %edx, %ecx
        subw    %cx, 0xC000 + ((i * 2) & 0x1FFE)(%rbx)
        cmpl    $i, %ecx
        setg    %r8b
        movzbl  %r8b, %r8d
        popq    %r9
        addq    %r8, %rax
        negq    %r9
        cmovs   %r9, %rdx
        .endm

        .set    i, 0
cold_chain:
        .rept   COLD_FUNCTIONS
        cold_function
        .set    i, i + 1
        .endr
        ret

# ---- (c) copies: rep movs and stos of several sizes, a copy loop, and the scanning string instructions --------------------------------
copies: movl    $COPY_ROUNDS, %r15d
1:      movl    $SOURCE, %esi
        movl    $DESTINATION, %edi
        movl    $0x8000 / 8, %ecx
        rep movsq
        movl    $0x1003, %ecx
        rep movsb
        movl    $0x2000, %ecx
        xorl    %eax, %eax
        rep stosq
        movl    $SOURCE, %esi
        movl    $DESTINATION, %edi
        movl    $200, %edx
2:      movl    $19, %ecx               # short ones, as a network stack makes
        rep movsb
        addq    $5, %rsi
        decl    %edx
        jnz     2b
        movl    $SOURCE, %esi
        movl    $DESTINATION, %edi
        movl    $500, %ecx
3:      movq    (%rsi), %rax
        movq    8(%rsi), %rdx
        movq    %rax, (%rdi)
        movq    %rdx, 8(%rdi)
        addq    $16, %rsi
        addq    $16, %rdi
        decl    %ecx
        jnz     3b
        movl    $SOURCE, %edi
        movl    $1000, %ecx
        movb    $0x11, %al
        repne scasb
        movl    $SOURCE, %esi
        movl    $SOURCE + 0x3000, %edi
        movl    $1000, %ecx
        repe cmpsb
        movl    $SOURCE, %esi
        movl    $300, %ecx
4:      lodsb
        addl    %eax, %edx
        loop    4b
        decl    %r15d
        jnz     1b
        ret

# ---- (d) ring 3 to ring 0 and back by SYSCALL and SYSRET; a page fault that maps the page ----------------------------------------------
system_workloads:
        movl    $IDT, %edi
        movl    $page_fault, %eax       # vector 14: interrupt gate, DPL 0
        movw    %ax, 14 * 16(%rdi)
        movw    $0x08, 14 * 16 + 2(%rdi)
        movw    $0x8E00, 14 * 16 + 4(%rdi)
        shrl    $16, %eax
        movw    %ax, 14 * 16 + 6(%rdi)
        lidt    idt_pointer
        movl    $0xC0000081, %ecx       # STAR
        xorl    %eax, %eax
        movl    $0x00130008, %edx
        wrmsr
        movl    $0xC0000082, %ecx       # LSTAR
        movl    $system_call, %eax
        xorl    %edx, %edx
        wrmsr
        movl    $0xC0000084, %ecx       # FMASK
        movl    $0x700, %eax
        wrmsr

        mark    6
        movl    $CALL_ROUNDS, %r15d
        movq    %rsp, %r13
        movl    $user, %ecx
        movl    $2, %r11d
        sysretq
back:   movq    %r13, %rsp
        movl    $0x10, %eax
        movl    %eax, %ss
        mark    7

        mark    8
        movl    $FAULT_ROUNDS, %r15d
        movl    $WINDOW, %ebx
1:      movl    %r15d, %ecx
        andl    $0xFF, %ecx
        movq    $0, PT(,%rcx,8)
        shll    $12, %ecx
        addl    %ebx, %ecx
        invlpg  (%rcx)
        addl    %r15d, (%rcx)
        decl    %r15d
        jnz     1b
        mark    9
        ret

user:   movl    $17, %eax
        syscall
        addl    %eax, %ebx
        decl    %r15d
        jnz     user
        movl    $1, %eax
        syscall

system_call:
        cmpl    $17, %eax
        jne     back
        movl    $0x40011, %eax
        sysretq

page_fault:
        addq    $8, %rsp                # error code
        pushq   %rax
        pushq   %rdx
        movq    %cr2, %rax
        movl    %eax, %edx
        shrl    $12, %edx
        andl    $0xFF, %edx
        shll    $12, %edx
        orl     $0x1000007, %edx        # maps 16 MiB and up
        shrl    $12, %eax
        andl    $0x1FF, %eax
        movq    %rdx, PT(,%rax,8)
        popq    %rdx
        popq    %rax
        iretq

        .balign 512
payload_end:
