package wire

import (
	"encoding/binary"
	"fmt"
	"strings"
)

// DescribeRequest says what a request frame of Modbus TCP means, for people who
// listen to a line.
func DescribeRequest(frame []byte) string {
	a, err := ParseADU(frame)
	if err != nil {
		return err.Error()
	}
	return fmt.Sprintf("#%d unit %d: ", a.Transaction, a.Unit) + request(a.Function, a.Data)
}

// DescribeAnswer says what an answer of Modbus TCP means; request is the frame it
// answers.
func DescribeAnswer(request, frame []byte) string {
	a, err := ParseADU(frame)
	if err != nil {
		return err.Error()
	}
	head := fmt.Sprintf("#%d unit %d: ", a.Transaction, a.Unit)
	q, err := ParseADU(request)
	known := err == nil && q.Transaction == a.Transaction && q.Unit == a.Unit
	return head + answer(known, q.Function, q.Data, a.Function, a.Data)
}

// DescribeRTURequest is DescribeRequest for RTU frames.
func DescribeRTURequest(frame []byte) string {
	if len(frame) < 4 {
		return "incomplete frame"
	}
	return fmt.Sprintf("unit %d: ", frame[0]) + request(frame[1], frame[2:len(frame)-2])
}

// DescribeRTUAnswer is DescribeAnswer for RTU frames.
func DescribeRTUAnswer(request, frame []byte) string {
	if len(frame) < 4 || len(request) < 4 {
		return "incomplete frame"
	}
	return fmt.Sprintf("unit %d: ", frame[0]) +
		answer(request[0] == frame[0], request[1], request[2:len(request)-2], frame[1], frame[2:len(frame)-2])
}

func request(function byte, data []byte) string {
	if r, refused := ParseReadRequest(function, data); refused == 0 {
		return "read " + r.String()
	}
	if w, refused := ParseWriteRequest(function, data); refused == 0 {
		return written(w)
	}
	switch {
	case function == 17 && len(data) == 0:
		return "report server id"
	case function == 43 && len(data) == 3 && data[0] == 14:
		return fmt.Sprintf("read device identification, kind %d from object %d", data[1], data[2])
	}
	return fmt.Sprintf("function %d, %d bytes", function, len(data))
}

func written(w WriteRequest) string {
	if w.Function == MaskRegister {
		return fmt.Sprintf("write bits of %s: and 0x%04x, or 0x%04x", w, w.And, w.Or)
	}
	var b strings.Builder
	b.WriteString("write " + w.String() + " =")
	for _, v := range w.Words {
		fmt.Fprintf(&b, " %d", v)
	}
	return b.String()
}

func answer(known bool, asked byte, question []byte, function byte, data []byte) string {
	if function&Refuses != 0 {
		if len(data) == 0 {
			return "exception without a code"
		}
		return Exception(data[0]).Error()
	}
	if !known || asked != function {
		return fmt.Sprintf("answer to function %d, %d bytes, to no request under way", function, len(data))
	}
	r, refused := ParseReadRequest(asked, question)
	if refused != 0 || len(data) == 0 || int(data[0]) != len(data)-1 {
		if w, refused := ParseWriteRequest(asked, question); refused == 0 && w.Check(data) == nil {
			return "done: " + written(w)
		}
		return fmt.Sprintf("answer to function %d, %d bytes", function, len(data))
	}
	data = data[1:]
	if err := r.Check(data); err != nil {
		return err.Error()
	}
	var b strings.Builder
	b.WriteString(r.String() + " =")
	for i := range r.Count {
		switch {
		case r.Table.Bits() && Bit(data, i):
			b.WriteString(" 1")
		case r.Table.Bits():
			b.WriteString(" 0")
		default:
			fmt.Fprintf(&b, " %d", binary.BigEndian.Uint16(data[2*i:]))
		}
	}
	return b.String()
}
