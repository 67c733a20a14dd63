package cdev

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"time"
)

// Sizes and offsets of the structures of include/uapi/linux/gpio.h, which have the
// same layout on all machines; numbers are in the order of the machine.
const (
	nameSize     = 32
	chipInfoSize = 2*nameSize + 4
	lineInfoSize = 256
	requestSize  = 592
	valuesSize   = 16
	eventSize    = 48

	configAt = 256 + nameSize // of a request: after the offsets and the consumer

	attrDebounce = 3
	attrValues   = 2

	edgeRising  = 1
	edgeFalling = 2

	maxBuffer = 1024
)

// The requests of ioctl(2), as x86, ARM and RISC-V number them.
const (
	ioRead      = 2 << 30
	ioReadWrite = 3 << 30

	getChipInfo = ioRead | chipInfoSize<<16 | 0xB4<<8 | 0x01
	getLineInfo = ioReadWrite | lineInfoSize<<16 | 0xB4<<8 | 0x05
	getLine     = ioReadWrite | requestSize<<16 | 0xB4<<8 | 0x07
	getValues   = ioReadWrite | valuesSize<<16 | 0xB4<<8 | 0x0E
	setValues   = ioReadWrite | valuesSize<<16 | 0xB4<<8 | 0x0F
)

var order = binary.NativeEndian

// text reads a name that ends at the first NUL.
func text(b []byte) string {
	if i := bytes.IndexByte(b, 0); i >= 0 {
		b = b[:i]
	}
	return string(bytes.ToValidUTF8(b, []byte("?")))
}

// decodeChipInfo reads struct gpiochip_info.
func decodeChipInfo(b *[chipInfoSize]byte) ChipInfo {
	return ChipInfo{text(b[:nameSize]), text(b[nameSize : 2*nameSize]), int(order.Uint32(b[2*nameSize:]))}
}

// encodeLineInfo makes a struct gpio_v2_line_info that asks for a line.
func encodeLineInfo(offset int) (b [lineInfoSize]byte) {
	order.PutUint32(b[64:], uint32(offset))
	return b
}

// decodeLineInfo reads struct gpio_v2_line_info.
func decodeLineInfo(b *[lineInfoSize]byte) LineInfo {
	l := LineInfo{Name: text(b[:32]), Consumer: text(b[32:64]), Offset: int(order.Uint32(b[64:])), Flags: Flags(order.Uint64(b[72:]))}
	for i := range min(order.Uint32(b[68:]), 10) {
		attr := b[80+16*i:]
		if order.Uint32(attr) == attrDebounce {
			l.Debounce = time.Duration(order.Uint32(attr[8:])) * time.Microsecond
		}
	}
	return l
}

// encodeRequest makes a struct gpio_v2_line_request of one line.
func encodeRequest(r Request) (b [requestSize]byte, err error) {
	us := r.Debounce.Microseconds()
	if us < 0 || us > 1<<32-1 {
		return b, fmt.Errorf("a debounce of %v is not possible: at most 71 minutes", r.Debounce)
	}
	order.PutUint32(b[0:], uint32(r.Offset))
	copy(b[256:256+nameSize-1], r.Consumer)
	config := b[configAt:]
	order.PutUint64(config, uint64(r.Flags))
	count := 0
	attr := func(id uint32, put func(value []byte)) {
		a := config[32+24*count:]
		order.PutUint32(a, id)
		put(a[8:])
		order.PutUint64(a[16:], 1) // the first line
		count++
	}
	if r.Flags&Output != 0 && r.Value {
		attr(attrValues, func(v []byte) { order.PutUint64(v, 1) })
	}
	if us > 0 {
		attr(attrDebounce, func(v []byte) { order.PutUint32(v, uint32(us)) })
	}
	order.PutUint32(config[8:], uint32(count))
	order.PutUint32(b[560:], 1)
	order.PutUint32(b[564:], uint32(min(max(r.Buffer, 0), maxBuffer)))
	return b, nil
}

// requestFD reads the descriptor from an answered request.
func requestFD(b *[requestSize]byte) int { return int(int32(order.Uint32(b[588:]))) }

// EventSize is how many bytes an encoded [Event] has.
const EventSize = eventSize

// AppendEvent appends an edge as the kernel writes it: struct gpio_v2_line_event.
func AppendEvent(b []byte, e Event) []byte {
	var r [eventSize]byte
	order.PutUint64(r[0:], uint64(e.Time))
	id := uint32(edgeFalling)
	if e.Rising {
		id = edgeRising
	}
	order.PutUint32(r[8:], id)
	order.PutUint32(r[12:], uint32(e.Offset))
	order.PutUint32(r[16:], e.LineSeq)
	order.PutUint32(r[20:], e.LineSeq)
	return append(b, r[:]...)
}

// decodeEvents reads edges; what is left of b is not one.
func decodeEvents(list []Event, b []byte) (n int, err error) {
	if len(b)%eventSize != 0 {
		return 0, fmt.Errorf("%d bytes of edges are no multiple of %d: the kernel has another interface than this program", len(b), eventSize)
	}
	for ; len(b) > 0 && n < len(list); b = b[eventSize:] {
		id := order.Uint32(b[8:])
		if id != edgeRising && id != edgeFalling {
			return n, fmt.Errorf("an edge of unknown kind %d", id)
		}
		list[n] = Event{Time: time.Duration(order.Uint64(b)), Rising: id == edgeRising,
			Offset: int(order.Uint32(b[12:])), LineSeq: order.Uint32(b[20:])}
		n++
	}
	return n, nil
}
