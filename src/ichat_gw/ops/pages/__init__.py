"""The status page: API values in, HTML out. Pure; `ichat_gw.app.http` serves it."""
