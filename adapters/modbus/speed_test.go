package modbus

import (
	"testing"

	"github.com/fieldhub/hub/adapters/modbus/modbustest"
)

func TestSpeed(t *testing.T) {
	s := modbustest.NewServer()
	s.Unit(1)
	serve(t, s)
	bare, line, err := Speed(t.Context(), s.Addr(), 3, 20)
	if err != nil || bare <= 0 || line <= 0 {
		t.Errorf("got %v, %v, %v", bare, line, err)
	}
	if got := s.Unit(1).Requests(); got != 120 {
		t.Errorf("%d requests, want 120", got)
	}
	if _, _, err := Speed(t.Context(), "nowhere", 1, 1); err == nil {
		t.Error("an address without a port: no error")
	}
}
