"""The methods behind the actions of `studio.app.actions`, one class a menu. An action names its method in `callback`."""
