/* virtio.h - virtio devices over PCI, split virtqueues, and the block and network devices (Virtual I/O Device
 * (VIRTIO) Version 1.1; the numbers in brackets are its sections). */
#ifndef ARCH_VIRTIO_H
#define ARCH_VIRTIO_H

/* 4.1.2 "PCI Device Discovery" */
#define VIRTIO_VENDOR    0x1af4
#define VIRTIO_DEVICE(n) (0x1040 + (n)) /* by the device's ID (5 "Device Types"): */
#define VIRTIO_ID_NET    1
#define VIRTIO_ID_BLOCK  2

/* Vendor-specific capabilities (4.1.4 "Virtio Structure PCI Capabilities"). */
#define VIRTIO_CAP_TYPE       3
#define VIRTIO_CAP_BAR        4
#define VIRTIO_CAP_OFFSET     8
#define VIRTIO_CAP_LENGTH     12
#define VIRTIO_CAP_BYTES      16
#define VIRTIO_CAP_MULTIPLIER 16 /* of the notification capability */
#define VIRTIO_CAP_DATA       16 /* of the configuration access capability */
#define VIRTIO_CAP_MORE_BYTES 20 /* of these two */

#define VIRTIO_CAP_COMMON 1
#define VIRTIO_CAP_NOTIFY 2
#define VIRTIO_CAP_ISR    3
#define VIRTIO_CAP_CONFIG 4
#define VIRTIO_CAP_ACCESS 5

/* The common configuration (4.1.4.3 "Common configuration structure layout"). */
#define VIRTIO_DEVICE_FEATURE_SELECT 0x00
#define VIRTIO_DEVICE_FEATURE        0x04
#define VIRTIO_DRIVER_FEATURE_SELECT 0x08
#define VIRTIO_DRIVER_FEATURE        0x0c
#define VIRTIO_MSIX_CONFIG           0x10
#define VIRTIO_NUM_QUEUES            0x12
#define VIRTIO_DEVICE_STATUS         0x14
#define VIRTIO_CONFIG_GENERATION     0x15
#define VIRTIO_QUEUE_SELECT          0x16
#define VIRTIO_QUEUE_SIZE            0x18
#define VIRTIO_QUEUE_MSIX_VECTOR     0x1a
#define VIRTIO_QUEUE_ENABLE          0x1c
#define VIRTIO_QUEUE_NOTIFY_OFF      0x1e
#define VIRTIO_QUEUE_DESC            0x20 /* 64 bits, as are the next two */
#define VIRTIO_QUEUE_DRIVER          0x28
#define VIRTIO_QUEUE_DEVICE          0x30
#define VIRTIO_COMMON_BYTES          0x38

#define VIRTIO_NO_VECTOR 0xffff

/* 2.1 "Device Status Field" */
#define VIRTIO_ACKNOWLEDGE 0x01
#define VIRTIO_DRIVER      0x02
#define VIRTIO_DRIVER_OK   0x04
#define VIRTIO_FEATURES_OK 0x08
#define VIRTIO_NEEDS_RESET 0x40
#define VIRTIO_FAILED      0x80

/* ISR status (4.1.4.5 "ISR status capability"), cleared by a read. */
#define VIRTIO_ISR_QUEUE  1
#define VIRTIO_ISR_CONFIG 2

/* 6 "Reserved Feature Bits": numbers of bits */
#define VIRTIO_F_RING_INDIRECT_DESC 28
#define VIRTIO_F_RING_EVENT_IDX     29
#define VIRTIO_F_VERSION_1          32
#define VIRTIO_F_ACCESS_PLATFORM    33

/* 2.6 "Split Virtqueues": the descriptor table ... */
#define VIRTQ_DESC_ADDR  0
#define VIRTQ_DESC_LEN   8
#define VIRTQ_DESC_FLAGS 12
#define VIRTQ_DESC_NEXT  14
#define VIRTQ_DESC_BYTES 16

#define VIRTQ_DESC_F_NEXT     1
#define VIRTQ_DESC_F_WRITE    2 /* by the device */
#define VIRTQ_DESC_F_INDIRECT 4

/* ... the available ring and the used ring. */
#define VIRTQ_AVAIL_FLAGS        0
#define VIRTQ_AVAIL_IDX          2
#define VIRTQ_AVAIL_RING(i)      (4 + 2 * (i))
#define VIRTQ_USED_EVENT(size)   VIRTQ_AVAIL_RING(size)
#define VIRTQ_AVAIL_BYTES(size)  (6 + 2 * (size))
#define VIRTQ_AVAIL_NO_INTERRUPT 1
#define VIRTQ_USED_FLAGS         0
#define VIRTQ_USED_IDX           2
#define VIRTQ_USED_RING(i)       (4 + 8 * (i)) /* the chain's first descriptor, and bytes written: 4 bytes each */
#define VIRTQ_AVAIL_EVENT(size)  VIRTQ_USED_RING(size)
#define VIRTQ_USED_BYTES(size)   (6 + 8 * (size))
#define VIRTQ_USED_NO_NOTIFY     1

/* Whether an index that has moved from `old` to `now` has passed `event` (2.6.7.2, 2.6.8 "Virtqueue
 * Notification Suppression"). */
#define VIRTQ_PASSED(event, now, old) ((unsigned short)((now) - (event)-1) < (unsigned short)((now) - (old)))

/* 5.2 "Block Device" */
#define VIRTIO_BLK_F_SEG_MAX    2
#define VIRTIO_BLK_F_RO         5
#define VIRTIO_BLK_F_BLK_SIZE   6
#define VIRTIO_BLK_F_FLUSH      9
#define VIRTIO_BLK_F_CONFIG_WCE 11

#define VIRTIO_BLK_CAPACITY     0x00 /* 64 bits: sectors of 512 bytes */
#define VIRTIO_BLK_SEG_MAX      0x0c
#define VIRTIO_BLK_BLK_SIZE     0x14
#define VIRTIO_BLK_WRITEBACK    0x20 /* a byte */
#define VIRTIO_BLK_CONFIG_BYTES 0x24

/* A request: type, reserved, sector; data; a byte of status (5.2.6 "Device Operation"). */
#define VIRTIO_BLK_TYPE         0
#define VIRTIO_BLK_SECTOR       8
#define VIRTIO_BLK_HEADER_BYTES 16
#define VIRTIO_BLK_ID_BYTES     20

#define VIRTIO_BLK_T_IN     0
#define VIRTIO_BLK_T_OUT    1
#define VIRTIO_BLK_T_FLUSH  4
#define VIRTIO_BLK_T_GET_ID 8

#define VIRTIO_BLK_S_OK     0
#define VIRTIO_BLK_S_IOERR  1
#define VIRTIO_BLK_S_UNSUPP 2

/* 5.1 "Network Device" */
#define VIRTIO_NET_F_MAC       5
#define VIRTIO_NET_F_MRG_RXBUF 15
#define VIRTIO_NET_F_STATUS    16

#define VIRTIO_NET_MAC          0x00
#define VIRTIO_NET_STATUS       0x06
#define VIRTIO_NET_CONFIG_BYTES 0x08
#define VIRTIO_NET_LINK_UP      1

#define VIRTIO_NET_RECEIVE  0 /* virtqueues */
#define VIRTIO_NET_TRANSMIT 1

/* Before each frame (5.1.6 "Device Operation"). */
#define VIRTIO_NET_HDR_FLAGS   0
#define VIRTIO_NET_HDR_BUFFERS 10
#define VIRTIO_NET_HDR_BYTES   12

#endif
