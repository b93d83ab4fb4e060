/* iommu.h - the DMA- and interrupt-remapping hardware: Intel Virtualization Technology for Directed I/O,
 * Architecture Specification, legacy mode (chapters 3 "DMA Remapping", 5 "Interrupt Remapping", 6 "Caching
 * Translation Information", 7 "Fault Reporting", 9 "Translation Structure Formats", 11 "Register
 * Descriptions").  Names are that specification's. */
#ifndef ARCH_IOMMU_H
#define ARCH_IOMMU_H

#define IOMMU_BASE  0xfed90000u
#define IOMMU_BYTES 0x1000u

/* Registers (11.4 "Register Descriptions"); of 4 bytes, or of 8 where it says so. */
#define IOMMU_VER     0x000
#define IOMMU_CAP     0x008 /* 8 */
#define IOMMU_ECAP    0x010 /* 8 */
#define IOMMU_GCMD    0x018
#define IOMMU_GSTS    0x01c
#define IOMMU_RTADDR  0x020 /* 8 */
#define IOMMU_CCMD    0x028 /* 8 */
#define IOMMU_FSTS    0x034
#define IOMMU_FECTL   0x038
#define IOMMU_FEDATA  0x03c
#define IOMMU_FEADDR  0x040
#define IOMMU_FEUADDR 0x044
#define IOMMU_IQH     0x080 /* 8 */
#define IOMMU_IQT     0x088 /* 8 */
#define IOMMU_IQA     0x090 /* 8 */
#define IOMMU_ICS     0x09c
#define IOMMU_IECTL   0x0a0
#define IOMMU_IEDATA  0x0a4
#define IOMMU_IEADDR  0x0a8
#define IOMMU_IEUADDR 0x0ac
#define IOMMU_IRTA    0x0b8              /* 8 */
#define IOMMU_IVA     0x100              /* 8; where ECAP's IRO says */
#define IOMMU_IOTLB   0x108              /* 8 */
#define IOMMU_FRCD(i) (0x200 + 16 * (i)) /* 16; where CAP's FRO says */
#define IOMMU_FRCDS   4

#define IOMMU_VERSION 0x10u

#define IOMMU_REQUESTER 0x0000 /* as which it sends messages of its own: the host bridge */

/* CAP */
#define IOMMU_CAP_ND(bits)     (((bits)-4ull) / 2) /* domain IDs have so many bits */
#define IOMMU_CAP_CM           (1ull << 7)
#define IOMMU_CAP_SAGAW_39     (1ull << 9)
#define IOMMU_CAP_SAGAW_48     (1ull << 10)
#define IOMMU_CAP_MGAW(bits)   (((bits)-1ull) << 16)
#define IOMMU_CAP_FRO(offset)  ((offset) / 16ull << 24)
#define IOMMU_CAP_SLLPS_2M     (1ull << 34)
#define IOMMU_CAP_SLLPS_1G     (1ull << 35)
#define IOMMU_CAP_PSI          (1ull << 39)
#define IOMMU_CAP_NFR(records) (((records)-1ull) << 40)
#define IOMMU_CAP_MAMV(bits)   ((bits)*1ull << 48)
#define IOMMU_CAP_DWD          (1ull << 54)
#define IOMMU_CAP_DRD          (1ull << 55)
#define IOMMU_CAP_PI           (1ull << 59)

/* ECAP */
#define IOMMU_ECAP_C           (1ull << 0)
#define IOMMU_ECAP_QI          (1ull << 1)
#define IOMMU_ECAP_IR          (1ull << 3)
#define IOMMU_ECAP_EIM         (1ull << 4)
#define IOMMU_ECAP_PT          (1ull << 6)
#define IOMMU_ECAP_IRO(offset) ((offset) / 16ull << 8)
#define IOMMU_ECAP_MHMV(bits)  ((bits)*1ull << 20)

/* What this one offers. */
#define IOMMU_MGAW_BITS 48
#define IOMMU_MAMV_BITS 18
#define IOMMU_MHMV_BITS 15
#define IOMMU_CAP_VALUE \
    (IOMMU_CAP_ND(16) | IOMMU_CAP_SAGAW_39 | IOMMU_CAP_SAGAW_48 | IOMMU_CAP_MGAW(IOMMU_MGAW_BITS) | \
     IOMMU_CAP_FRO(IOMMU_FRCD(0)) | IOMMU_CAP_SLLPS_2M | IOMMU_CAP_SLLPS_1G | IOMMU_CAP_PSI | \
     IOMMU_CAP_NFR(IOMMU_FRCDS) | IOMMU_CAP_MAMV(IOMMU_MAMV_BITS) | IOMMU_CAP_DWD | IOMMU_CAP_DRD | \
     IOMMU_CAP_PI)
#define IOMMU_ECAP_VALUE \
    (IOMMU_ECAP_C | IOMMU_ECAP_QI | IOMMU_ECAP_IR | IOMMU_ECAP_EIM | IOMMU_ECAP_PT | \
     IOMMU_ECAP_IRO(IOMMU_IVA) | IOMMU_ECAP_MHMV(IOMMU_MHMV_BITS))

/* GCMD, and the same bits of GSTS. */
#define IOMMU_TE    (1u << 31) /* translation */
#define IOMMU_SRTP  (1u << 30) /* set root-table pointer */
#define IOMMU_QIE   (1u << 26) /* queued invalidation */
#define IOMMU_IRE   (1u << 25) /* interrupt remapping */
#define IOMMU_SIRTP (1u << 24) /* set interrupt-remap table pointer */
#define IOMMU_CFI   (1u << 23) /* compatibility-format interrupts pass */

/* CCMD; granularities, asked for in CIRG and answered in CAIG. */
#define IOMMU_CCMD_ICC        (1ull << 63)
#define IOMMU_CCMD_CIRG_SHIFT 61
#define IOMMU_CCMD_CAIG_SHIFT 59
#define IOMMU_CCMD_FM_SHIFT   32
#define IOMMU_CCMD_SID_SHIFT  16
#define IOMMU_GLOBAL          1
#define IOMMU_DOMAIN          2
#define IOMMU_DEVICE          3 /* of context entries */
#define IOMMU_PAGE            3 /* of the IOTLB */

/* IOTLB and IVA */
#define IOMMU_IOTLB_IVT        (1ull << 63)
#define IOMMU_IOTLB_IIRG_SHIFT 60
#define IOMMU_IOTLB_IAIG_SHIFT 57
#define IOMMU_IOTLB_DR         (1ull << 49)
#define IOMMU_IOTLB_DW         (1ull << 48)
#define IOMMU_IOTLB_DID_SHIFT  32
#define IOMMU_IVA_IH           (1ull << 6) /* entries that point to tables have not changed */
#define IOMMU_IVA_AM           0x3full
#define IOMMU_IVA_ADDR         (~0xfffull)

/* FSTS */
#define IOMMU_FSTS_PFO       (1u << 0)
#define IOMMU_FSTS_PPF       (1u << 1)
#define IOMMU_FSTS_IQE       (1u << 4)
#define IOMMU_FSTS_FRI_SHIFT 8

/* FECTL and IECTL */
#define IOMMU_EVENT_IM (1u << 31)
#define IOMMU_EVENT_IP (1u << 30)

#define IOMMU_ICS_IWC (1u << 0)

/* A fault record: its upper 8 bytes. */
#define IOMMU_FRCD_F         (1ull << 63)
#define IOMMU_FRCD_READ      (1ull << 62) /* else a write, or an interrupt request */
#define IOMMU_FRCD_FR_SHIFT  32
#define IOMMU_FRCD_SID       0xffffull
#define IOMMU_FRCD_FI        (~0xfffull) /* in the lower 8 bytes: the page */
#define IOMMU_FRCD_IRI_SHIFT 48          /* or there: the interrupt's index */

/* Fault reasons: IOMMU_FAULT_... */
enum {
#define IOMMU_FAULT(ID, reason, text) IOMMU_FAULT_##ID = reason,
#include "iommu_faults.def"
};

/* Tables (9.1 "Root Entry", 9.3 "Context Entry", 9.8 "Second-Level Paging Entries"): entries of 16 bytes, of
 * which these are bits of the lower and the upper 8; and of 8. */
#define IOMMU_ENTRY_P           (1ull << 0)
#define IOMMU_CONTEXT_FPD       (1ull << 1) /* faults are not recorded */
#define IOMMU_CONTEXT_TT        (3ull << 2)
#define IOMMU_CONTEXT_TABLES    (0ull << 2)
#define IOMMU_CONTEXT_PASS      (2ull << 2)
#define IOMMU_CONTEXT_AW        7ull /* upper */
#define IOMMU_CONTEXT_AW_39     1ull
#define IOMMU_CONTEXT_AW_48     2ull
#define IOMMU_CONTEXT_DID_SHIFT 8
#define IOMMU_SL_R              (1ull << 0)
#define IOMMU_SL_W              (1ull << 1)
#define IOMMU_SL_PS             (1ull << 7)

/* IQA, and descriptors of the queue, of 16 bytes (6.5.2 "Queued Invalidation Interface"). */
#define IOMMU_IQA_QS              7ull /* 2^(QS + 8) descriptors */
#define IOMMU_IQ_OFFSET           0x7fff0ull
#define IOMMU_INV_TYPE            0xfull
#define IOMMU_INV_CONTEXT         1ull
#define IOMMU_INV_IOTLB           2ull
#define IOMMU_INV_IEC             4ull
#define IOMMU_INV_WAIT            5ull
#define IOMMU_INV_G_SHIFT         4
#define IOMMU_INV_DID_SHIFT       16
#define IOMMU_INV_SID_SHIFT       32
#define IOMMU_INV_FM_SHIFT        48
#define IOMMU_INV_IEC_SELECTIVE   (1ull << 4)
#define IOMMU_INV_IEC_IM_SHIFT    27
#define IOMMU_INV_IEC_INDEX_SHIFT 32
#define IOMMU_INV_WAIT_IF         (1ull << 4) /* interrupt */
#define IOMMU_INV_WAIT_SW         (1ull << 5) /* write the status */
#define IOMMU_INV_WAIT_FN         (1ull << 6) /* fence */
#define IOMMU_INV_WAIT_DATA_SHIFT 32

/* IRTA, and entries of 16 bytes (9.10 "Interrupt Remapping Table Entry (IRTE) for Remapped Interrupts", 9.11
 * "... for Posted Interrupts"). */
#define IOMMU_IRTA_EIME         (1ull << 11)
#define IOMMU_IRTA_S            0xfull /* 2^(S + 1) entries */
#define IOMMU_IRTE_P            (1ull << 0)
#define IOMMU_IRTE_FPD          (1ull << 1)
#define IOMMU_IRTE_LOGICAL      (1ull << 2)
#define IOMMU_IRTE_RH           (1ull << 3)
#define IOMMU_IRTE_LEVEL        (1ull << 4)
#define IOMMU_IRTE_DLM_SHIFT    5
#define IOMMU_IRTE_URGENT       (1ull << 14) /* of posted ones */
#define IOMMU_IRTE_POSTED       (1ull << 15)
#define IOMMU_IRTE_VECTOR_SHIFT 16
#define IOMMU_IRTE_DST_SHIFT    32 /* an x2APIC ID; an xAPIC's is 8 bits higher */
#define IOMMU_IRTE_SQ_SHIFT     16 /* upper */
#define IOMMU_IRTE_SVT_SHIFT    18 /* upper */
#define IOMMU_SVT_NONE          0
#define IOMMU_SVT_SID           1
#define IOMMU_SVT_BUS           2

/* A message in the remappable format (5.1.2.2). */
#define IOMMU_MSI_REMAPPABLE (1u << 4)
#define IOMMU_MSI_SHV        (1u << 3)
#define IOMMU_MSI_INDEX(i)   (((i)&0x7fffu) << 5 | ((i) >> 15 & 1u) << 2)

/* A posted-interrupt descriptor of 64 bytes (9.12): words of 8 bytes. */
#define IOMMU_PID_ON         (1ull << 0) /* word 4 */
#define IOMMU_PID_SN         (1ull << 1)
#define IOMMU_PID_NV_SHIFT   16
#define IOMMU_PID_NDST_SHIFT 32

#endif
