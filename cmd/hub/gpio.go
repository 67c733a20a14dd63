package main

import (
	"github.com/fieldhub/hub/adapters"
	"github.com/fieldhub/hub/adapters/gpio"
)

func gpioAdapter() adapters.Factory { return gpio.Factory() }
