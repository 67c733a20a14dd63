package modbustest

import (
	"encoding/binary"

	"github.com/fieldhub/hub/adapters/modbus/wire"
)

// framing is how requests and answers are put on a line.
type framing interface {
	// next takes the first request off b. size 0: it is not complete yet. An error
	// means that b cannot start a request.
	next(b []byte) (q wire.ADU, size int, err error)
	append(b []byte, a wire.ADU) []byte
	damage(frame []byte)
}

// tcpFraming is Modbus TCP.
type tcpFraming struct{}

func (tcpFraming) next(b []byte) (wire.ADU, int, error) {
	if len(b) < 6 {
		return wire.ADU{}, 0, nil
	}
	n, err := wire.FrameSize(b)
	if err != nil || len(b) < n {
		return wire.ADU{}, 0, err
	}
	q, err := wire.ParseADU(b[:n])
	return q, n, err
}

func (tcpFraming) append(b []byte, a wire.ADU) []byte { return a.Append(b) }

func (tcpFraming) damage(frame []byte) { frame[2] = 0x2a }

// rtuFraming is Modbus RTU as a slave sees it. It is written apart from that of
// the adapter, so that a fault in one shows. A frame has no transaction id: it is
// always 0.
type rtuFraming struct{}

// maxRTU is the longest frame: unit, PDU, CRC (MSL 2.5.1).
const maxRTU = 256

func (rtuFraming) next(b []byte) (wire.ADU, int, error) {
	n := requestSize(b)
	if n == 0 && len(b) >= 4 && crc16(b) == 0 { // of unknown length: whole when the CRC fits
		n = len(b)
	}
	switch {
	case n > maxRTU, len(b) > maxRTU:
		return wire.ADU{}, 0, wire.ErrFraming
	case n == 0 || len(b) < n:
		return wire.ADU{}, 0, nil
	case crc16(b[:n]) != 0:
		return wire.ADU{}, 0, wire.ErrFraming
	}
	return wire.ADU{Unit: b[0], Function: b[1], Data: b[2 : n-2]}, n, nil
}

// requestSize returns the length of the request that starts with b, or 0 when it
// is not known (yet).
func requestSize(b []byte) int {
	if len(b) < 2 {
		return 0
	}
	count := 0 // where the number of the bytes behind it stands
	switch b[1] {
	case 1, 2, 3, 4, 5, 6, 8:
		return 8
	case 7, 11, 12, 17:
		return 4
	case 22:
		return 10
	case 43:
		return 7
	case 15, 16:
		count = 6
	case 23:
		count = 10
	default:
		return 0
	}
	if len(b) <= count {
		return 0
	}
	return count + 1 + int(b[count]) + 2
}

func (rtuFraming) append(b []byte, a wire.ADU) []byte {
	start := len(b)
	b = append(b, a.Unit, a.Function)
	b = append(b, a.Data...)
	return binary.LittleEndian.AppendUint16(b, crc16(b[start:]))
}

// RTUFrame returns an RTU frame with its CRC.
func RTUFrame(unit, function byte, data ...byte) []byte {
	return rtuFraming{}.append(nil, wire.ADU{Unit: unit, Function: function, Data: data})
}

func (rtuFraming) damage(frame []byte) { frame[len(frame)-3] ^= 4 }

// crc16 returns the CRC of a frame (MSL 6.2.2); over a frame with its CRC it is 0.
func crc16(b []byte) uint16 {
	crc := uint16(0xffff)
	for _, c := range b {
		crc ^= uint16(c)
		for range 8 {
			low := crc & 1
			crc >>= 1
			if low != 0 {
				crc ^= 0xa001
			}
		}
	}
	return crc
}
