/* Entry in the simulated machine: the stack pointer and segments are set. The length is left in (E|R)AX, the buffer at OUT. */
#ifdef __x86_64__
        mov $OUT, %edi
        mov $8192, %esi
        fninit
        call program
        int $0x80
#else
#ifdef M16
        .code16gcc
#endif
        fninit
        subl $8, %esp
        pushl $8192
        pushl $OUT
        call program
#ifdef M16
        hlt
#else
        int $0x80
#endif
#endif
        .section .note.GNU-stack, "", @progbits
