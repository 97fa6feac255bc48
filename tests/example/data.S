/* data.S - what a board without a file system has in flash: bundle, pack, some lines of text. */
    .section .rodata
    .global bundle, bundle_end, pack, pack_end, text, text_end
    .balign 64
bundle:
    .incbin "models/triage/triage.leaf"
bundle_end:
    .balign 64
pack:
    .incbin "models/triage/trunk.leaf"
pack_end:
    .balign 64 /* kernels may read LC_READ_AHEAD bytes more */
    .zero 64
text:
    .incbin "models/triage/demo.txt"
text_end:
    .section .note.GNU-stack,"",%progbits
