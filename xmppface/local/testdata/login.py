# Logs in with slixmpp, asks for the roster, pings the server and an echo of its
# own, and says what it found: login.py host port address password authority
import sys

import slixmpp

host, port, address, password, authority = sys.argv[1:]


class Client(slixmpp.ClientXMPP):
    def __init__(self):
        super().__init__(address, password)
        self.ca_certs = authority
        self.register_plugin("xep_0030")
        self.register_plugin("xep_0199")
        self.add_event_handler("session_start", self.start)
        self.add_event_handler("failed_auth", lambda _: self.end("failed"))

    async def start(self, _):
        self.send_presence()
        await self.get_roster()
        await self["xep_0199"].send_ping(self.boundjid.host, timeout=5)
        await self["xep_0199"].send_ping(self.boundjid.full, timeout=5)
        info = await self["xep_0030"].get_info(jid=self.boundjid.host, timeout=5)
        self.end("online " + self.boundjid.full + " " + ",".join(sorted(info["disco_info"]["features"])))

    def end(self, words):
        print(words, flush=True)
        self.disconnect()


client = Client()
client.connect(address=(host, int(port)), disable_starttls=False)
client.process(forever=False)
