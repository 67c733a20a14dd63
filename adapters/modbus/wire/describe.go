package wire

import (
	"encoding/binary"
	"fmt"
	"strings"
)

// DescribeRequest says what a request frame means, for people who listen to a
// line.
func DescribeRequest(frame []byte) string {
	a, err := ParseADU(frame)
	if err != nil {
		return err.Error()
	}
	head := fmt.Sprintf("#%d unit %d: ", a.Transaction, a.Unit)
	if r, refused := ParseReadRequest(a.Function, a.Data); refused == 0 {
		return head + "read " + r.String()
	}
	return head + fmt.Sprintf("function %d, %d bytes", a.Function, len(a.Data))
}

// DescribeAnswer says what an answer means; request is the frame it answers.
func DescribeAnswer(request, frame []byte) string {
	a, err := ParseADU(frame)
	if err != nil {
		return err.Error()
	}
	head := fmt.Sprintf("#%d unit %d: ", a.Transaction, a.Unit)
	if a.Function&Refuses != 0 {
		if len(a.Data) == 0 {
			return head + "exception without a code"
		}
		return head + Exception(a.Data[0]).Error()
	}
	q, err := ParseADU(request)
	if err != nil || q.Transaction != a.Transaction || q.Unit != a.Unit || q.Function != a.Function {
		return head + fmt.Sprintf("answer to function %d, %d bytes, to no request under way", a.Function, len(a.Data))
	}
	r, refused := ParseReadRequest(q.Function, q.Data)
	if refused != 0 || len(a.Data) == 0 || int(a.Data[0]) != len(a.Data)-1 {
		return head + fmt.Sprintf("answer to function %d, %d bytes", a.Function, len(a.Data))
	}
	data := a.Data[1:]
	if err := r.Check(data); err != nil {
		return head + err.Error()
	}
	var b strings.Builder
	b.WriteString(head + r.String() + " =")
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
