/* SPDX-License-Identifier: Apache-2.0
 * tagger_data.S - the tagger's table, carried by the program. */
    .section .rodata
    .balign 64
    .global dv_tagger_data
    .global dv_tagger_data_end
dv_tagger_data:
    .incbin "tagger.bin"
dv_tagger_data_end:
    .byte 0
    .section .note.GNU-stack, "", %progbits
