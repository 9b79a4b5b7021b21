"""LocalEmu 1.3.2 on the loopback interface only: it binds every interface, whatever GATEWAY_LISTEN says."""

from parent import end_with_parent
from twisted.internet import endpoints

original = endpoints.TCP4ServerEndpoint


def on_loopback(reactor, port, *arguments, **options):
    return original(reactor, port, *arguments, **{**options, "interface": "127.0.0.1"})


endpoints.TCP4ServerEndpoint = on_loopback

if __name__ == "__main__":
    from localemu.runtime import main

    end_with_parent()
    main.main()
