package wire

import "encoding/binary"

// MaxRTU is the longest RTU frame: unit, PDU of 253 bytes, CRC (MSL 2.5.1).
const MaxRTU = 256

// crcTable is that of the polynomial 0xA001, reflected (MSL 6.2.2).
var crcTable = func() (t [256]uint16) {
	for i := range t {
		crc := uint16(i)
		for range 8 {
			if crc&1 != 0 {
				crc = crc>>1 ^ 0xa001
			} else {
				crc >>= 1
			}
		}
		t[i] = crc
	}
	return t
}()

// CRC is the checksum of an RTU frame (MSL 6.2.2). Over a frame with its checksum,
// which stands low byte first, it is 0.
func CRC(b []byte) uint16 {
	crc := uint16(0xffff)
	for _, c := range b {
		crc = crc>>8 ^ crcTable[byte(crc)^c]
	}
	return crc
}

// AppendRTU appends a frame of a unit, with its CRC.
func AppendRTU(b []byte, unit, function byte, data []byte) []byte {
	start := len(b)
	b = append(append(b, unit, function), data...)
	return binary.LittleEndian.AppendUint16(b, CRC(b[start:]))
}

// AnswerSize returns the length of the RTU answer that starts with b, CRC
// included, as its function and byte count say. 0: more bytes are needed to tell.
// -1: the function says nothing of its length, so that only silence ends it.
func AnswerSize(b []byte) int {
	if len(b) < 2 {
		return 0
	}
	f := b[1]
	switch {
	case f&Refuses != 0:
		return 5
	case f >= 1 && f <= 4, f == 17, f == 23, f == 12, f == 20, f == 21:
		if len(b) < 3 {
			return 0
		}
		return 3 + int(b[2]) + 2
	case f == 5, f == 6, f == 15, f == 16, f == 8, f == 11:
		return 8
	case f == 7:
		return 5
	case f == 22:
		return 10
	case f == 24:
		if len(b) < 4 {
			return 0
		}
		return 4 + int(binary.BigEndian.Uint16(b[2:])) + 2
	case f == 43:
		return identificationSize(b)
	}
	return -1
}

// identificationSize is that of a read device identification answer: a list of
// objects, each with its length (MAP 6.21).
func identificationSize(b []byte) int {
	const head = 8 // unit, function, type 14, code, conformity, more, next, count
	if len(b) < head {
		return 0
	}
	if b[2] != 14 {
		return -1
	}
	n := head
	for range b[7] {
		if len(b) < n+2 {
			return 0
		}
		n += 2 + int(b[n+1])
	}
	return n + 2
}

// FindAnswer looks for the answer to a request of a unit and function in what a
// line delivered, past echo, noise and the traffic of others. It returns the frame;
// nil: it is not there (yet). foreign is the first whole frame that belongs to
// somebody else; skipped is how many bytes in front need not be looked at again.
func FindAnswer(b []byte, unit, function byte) (frame, foreign []byte, skipped int) {
	begun := false // a frame that is ours may have begun
	for at := 0; at < len(b); at++ {
		rest := b[at:]
		n := AnswerSize(rest)
		own := rest[0] == unit && (len(rest) < 2 || rest[1]&^Refuses == function)
		switch {
		case n < 0 || n > MaxRTU:
			continue
		case n == 0 || len(rest) < n:
			begun = begun || own
			continue
		case CRC(rest[:n]) != 0:
			continue
		case own:
			return rest[:n], foreign, at + n
		}
		if foreign == nil {
			foreign = rest[:n]
		}
		if !begun {
			skipped = at + n
		}
		at += n - 1
	}
	return nil, foreign, skipped
}
