/* embedded.S - see embedded.h. */
    .section .rodata
    .global lc_embedded_bundle, lc_embedded_bundle_bytes, lc_embedded_pack, lc_embedded_pack_bytes

    .balign 4096
lc_embedded_bundle:
#ifdef LC_EMBED
    .incbin "models/triage/triage.leaf"
#endif
bundle_end:

    .balign 4096
lc_embedded_pack:
#ifdef LC_EMBED
    .incbin "models/triage/trunk.leaf"
#endif
pack_end:
    .byte 0

    .balign 8
lc_embedded_bundle_bytes:
    .quad bundle_end - lc_embedded_bundle
lc_embedded_pack_bytes:
    .quad pack_end - lc_embedded_pack

    .section .note.GNU-stack,"",%progbits
