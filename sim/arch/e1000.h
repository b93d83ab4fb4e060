/* e1000.h - registers, descriptors and EEPROM of the 82540EM (Intel, PCI/PCI-X Family of Gigabit Ethernet
 * Controllers Software Developer's Manual, 13 "Register Descriptions", 3 "Receive and Transmit Description",
 * 5 "EEPROM Interface"), as far as a driver uses them. */
#ifndef ARCH_E1000_H
#define ARCH_E1000_H

#define E1000_VENDOR     0x8086
#define E1000_DEVICE     0x100e
#define E1000_BAR_BYTES  0x20000 /* BAR 0, memory */
#define E1000_PORT_BYTES 0x40    /* BAR 1, ports (13.3 "I/O-Mapped Internal Register"): */
#define E1000_IOADDR     0x00
#define E1000_IODATA     0x04

#define E1000_CTRL     0x0000
#define E1000_CTRL_DUP 0x0004 /* the same once more */
#define E1000_STATUS   0x0008 /* read-only */
#define E1000_EECD     0x0010
#define E1000_EERD     0x0014
#define E1000_CTRL_EXT 0x0018
#define E1000_MDIC     0x0020
#define E1000_FCAL     0x0028
#define E1000_FCAH     0x002c
#define E1000_FCT      0x0030
#define E1000_VET      0x0038
#define E1000_ICR      0x00c0 /* cleared by a read */
#define E1000_ITR      0x00c4
#define E1000_ICS      0x00c8 /* write-only */
#define E1000_IMS      0x00d0
#define E1000_IMC      0x00d8 /* write-only */
#define E1000_RCTL     0x0100
#define E1000_FCTTV    0x0170
#define E1000_TCTL     0x0400
#define E1000_TIPG     0x0410
#define E1000_AIFS     0x0458
#define E1000_LEDCTL   0x0e00
#define E1000_PBA      0x1000
#define E1000_FCRTL    0x2160
#define E1000_FCRTH    0x2168
#define E1000_RDBAL    0x2800
#define E1000_RDBAH    0x2804
#define E1000_RDLEN    0x2808
#define E1000_RDH      0x2810
#define E1000_RDT      0x2818
#define E1000_RDTR     0x2820
#define E1000_RXDCTL   0x2828
#define E1000_RADV     0x282c
#define E1000_RSRPD    0x2c00
#define E1000_TDBAL    0x3800
#define E1000_TDBAH    0x3804
#define E1000_TDLEN    0x3808
#define E1000_TDH      0x3810
#define E1000_TDT      0x3818
#define E1000_TIDV     0x3820
#define E1000_TXDCTL   0x3828
#define E1000_TADV     0x382c
#define E1000_TSPMT    0x3830
#define E1000_STATS    0x4000 /* 64 registers, cleared by a read */
#define E1000_RXCSUM   0x5000
#define E1000_MTA      0x5200 /* 128 registers */
#define E1000_RAL(i)   (0x5400 + 8 * (i))
#define E1000_RAH(i)   (0x5404 + 8 * (i))
#define E1000_VFTA     0x5600 /* 128 registers */
#define E1000_WUC      0x5800
#define E1000_WUFC     0x5808
#define E1000_WUS      0x5810
#define E1000_MANC     0x5820

#define E1000_ADDRESSES 16 /* pairs of RAL and RAH */
#define E1000_TABLE     128

/* Statistics (13.7 "Statistics Registers"): offsets. */
#define E1000_MPC    0x4010 /* missed: no room */
#define E1000_PRC64  0x405c /* received of 64 bytes; then 127, 255, 511, 1023, 1522 */
#define E1000_GPRC   0x4074
#define E1000_BPRC   0x4078
#define E1000_MPRC   0x407c
#define E1000_GPTC   0x4080
#define E1000_GORCL  0x4088 /* of 64 bits, as those that follow: the upper half's read clears both */
#define E1000_GORCH  0x408c
#define E1000_GOTCL  0x4090
#define E1000_GOTCH  0x4094
#define E1000_RNBC   0x40a0 /* no descriptor */
#define E1000_TORL   0x40c0
#define E1000_TORH   0x40c4
#define E1000_TOTL   0x40c8
#define E1000_TOTH   0x40cc
#define E1000_TPR    0x40d0
#define E1000_TPT    0x40d4
#define E1000_PTC64  0x40d8
#define E1000_MPTC   0x40f0
#define E1000_BPTC   0x40f4
#define E1000_TSCTC  0x40f8
#define E1000_TSCTFC 0x40fc

#define E1000_CTRL_FD         0x00000001u
#define E1000_CTRL_SLU        0x00000040u
#define E1000_CTRL_SPEED_1000 0x00000200u
#define E1000_CTRL_RST        0x04000000u
#define E1000_CTRL_VME        0x40000000u
#define E1000_CTRL_PHY_RST    0x80000000u

#define E1000_STATUS_FD          0x0001u
#define E1000_STATUS_LU          0x0002u
#define E1000_STATUS_SPEED_SHIFT 6 /* 0: 10, 1: 100, 2: 1000 Mbit/s */
#define E1000_STATUS_ASDV_SHIFT  8 /* likewise */

#define E1000_EECD_SK   0x0001u
#define E1000_EECD_CS   0x0002u
#define E1000_EECD_DI   0x0004u
#define E1000_EECD_DO   0x0008u
#define E1000_EECD_FWE  0x0030u /* 1: writes to flash are off */
#define E1000_EECD_REQ  0x0040u
#define E1000_EECD_GNT  0x0080u
#define E1000_EECD_PRES 0x0100u

#define E1000_EERD_START      0x0001u
#define E1000_EERD_DONE       0x0010u
#define E1000_EERD_ADDRESS    8 /* shifts */
#define E1000_EERD_DATA       16
#define E1000_EEPROM_WORDS    64
#define E1000_EEPROM_SUM      0xbabau /* of all words */
#define E1000_EEPROM_CHECKSUM 0x3f    /* the word that makes it so */

#define E1000_MDIC_REGISTER  16 /* shifts */
#define E1000_MDIC_PHY       21
#define E1000_MDIC_WRITE     0x04000000u
#define E1000_MDIC_READ      0x08000000u
#define E1000_MDIC_READY     0x10000000u
#define E1000_MDIC_INTERRUPT 0x20000000u
#define E1000_MDIC_ERROR     0x40000000u
#define E1000_PHY_ADDRESS    1

/* The PHY (13.5 "PHY Registers"). */
#define E1000_PHY_CONTROL          0
#define E1000_PHY_STATUS           1
#define E1000_PHY_ID               2 /* and 3 */
#define E1000_PHY_ID_VALUE         0x01410c20u
#define E1000_PHY_ADVERTISE        4
#define E1000_PHY_PARTNER          5
#define E1000_PHY_EXPANSION        6
#define E1000_PHY_1000T_CONTROL    9
#define E1000_PHY_1000T_STATUS     10
#define E1000_PHY_EXTENDED         15
#define E1000_PHY_SPECIFIC         16
#define E1000_PHY_SPECIFIC_STATUS  17
#define E1000_PHY_CONTROL_RESET    0x8000u /* clears itself; and so does */
#define E1000_PHY_CONTROL_RESTART  0x0200u
#define E1000_PHY_CONTROL_DOWN     0x0800u
#define E1000_PHY_STATUS_LINK      0x0004u
#define E1000_PHY_STATUS_DONE      0x0020u
#define E1000_PHY_SPECIFIC_LINK    0x0400u
#define E1000_PHY_SPECIFIC_RESULTS 0x0800u
#define E1000_PHY_SPECIFIC_DUPLEX  0x2000u
#define E1000_PHY_SPECIFIC_SPEED   14 /* shift; as in STATUS */

/* Causes of interrupts. */
#define E1000_ICR_TXDW    0x00001u
#define E1000_ICR_TXQE    0x00002u
#define E1000_ICR_LSC     0x00004u
#define E1000_ICR_RXDMT0  0x00010u
#define E1000_ICR_RXO     0x00040u
#define E1000_ICR_RXT0    0x00080u
#define E1000_ICR_MDAC    0x00200u
#define E1000_ICR_TXD_LOW 0x08000u
#define E1000_ICR_ALL     0x1ffffu

#define E1000_RCTL_EN          0x00000002u
#define E1000_RCTL_UPE         0x00000008u
#define E1000_RCTL_MPE         0x00000010u
#define E1000_RCTL_LBM         0x000000c0u
#define E1000_RCTL_RDMTS_SHIFT 8
#define E1000_RCTL_MO_SHIFT    12
#define E1000_RCTL_BAM         0x00008000u
#define E1000_RCTL_BSIZE_SHIFT 16
#define E1000_RCTL_VFE         0x00040000u
#define E1000_RCTL_CFIEN       0x00080000u
#define E1000_RCTL_CFI         0x00100000u
#define E1000_RCTL_BSEX        0x02000000u
#define E1000_RCTL_SECRC       0x04000000u
#define E1000_TCTL_EN          0x00000002u
#define E1000_TCTL_PSP         0x00000008u
#define E1000_RXCSUM_PCSS      0x000000ffu
#define E1000_RXCSUM_IPOFL     0x00000100u
#define E1000_RXCSUM_TUOFL     0x00000200u
#define E1000_RAH_AV           0x80000000u
#define E1000_RDTR_FPD         0x80000000u
#define E1000_DELAY_NS         1024 /* the unit of RDTR, RADV, TIDV and TADV */
#define E1000_ITR_NS           256

/* Descriptors: two words of 8 bytes, of which the first is an address, but of a context. */
#define E1000_DESCRIPTOR 16

/* Receive (3.2.3 "Receive Descriptor Format"): of the second word. */
#define E1000_RX_LENGTH   0 /* shifts */
#define E1000_RX_CHECKSUM 16
#define E1000_RX_STATUS   32
#define E1000_RX_ERRORS   40
#define E1000_RX_SPECIAL  48
#define E1000_RX_DD       0x01u
#define E1000_RX_EOP      0x02u
#define E1000_RX_IXSM     0x04u
#define E1000_RX_VP       0x08u
#define E1000_RX_TCPCS    0x20u
#define E1000_RX_IPCS     0x40u
#define E1000_RX_PIF      0x80u
#define E1000_RX_TCPE     0x20u /* errors */
#define E1000_RX_IPE      0x40u

/* Transmit (3.3 "Packet Transmission"): of the second word.  Legacy: */
#define E1000_TX_LENGTH  0
#define E1000_TX_CSO     16
#define E1000_TX_COMMAND 24
#define E1000_TX_STATUS  32
#define E1000_TX_CSS     40
#define E1000_TX_SPECIAL 48
#define E1000_TX_EOP     0x01u /* commands */
#define E1000_TX_IFCS    0x02u
#define E1000_TX_IC      0x04u /* legacy */
#define E1000_TX_TSE     0x04u /* context and data */
#define E1000_TX_RS      0x08u
#define E1000_TX_DEXT    0x20u
#define E1000_TX_VLE     0x40u
#define E1000_TX_IDE     0x80u
#define E1000_TX_DD      0x01u /* status */
/* Context and data: DEXT is set. */
#define E1000_TX_TYPE    20
#define E1000_TX_DATA    0x1u
#define E1000_TX_OPTIONS 40
#define E1000_TX_IXSM    0x01u
#define E1000_TX_TXSM    0x02u
#define E1000_TX_TUCMD   24
#define E1000_TX_TCP     0x01u
#define E1000_TX_IP      0x02u /* version 4 */
#define E1000_TX_HDRLEN  40
#define E1000_TX_MSS     48
/* Context, first word. */
#define E1000_TX_IPCSS   0
#define E1000_TX_IPCSO   8
#define E1000_TX_IPCSE   16
#define E1000_TX_TUCSS   32
#define E1000_TX_TUCSO   40
#define E1000_TX_TUCSE   48

#endif
