package main

import (
	"github.com/fieldhub/hub/adapters"
	"github.com/fieldhub/hub/adapters/modbus"
)

func modbusAdapter() adapters.Factory { return modbus.Factory() }
